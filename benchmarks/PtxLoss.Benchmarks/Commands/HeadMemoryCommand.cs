namespace PtxLosses.Benchmarks;

/// <summary>
/// A <see cref="PeerProcess"/> that says how much memory one call of the library takes, in a process of its own: neither what
/// this program took before nor what another call kept is there to be used again.
/// </summary>
internal static class HeadMemoryCommand
{
    public const string Verb = "head-memory";

    /// <summary>A call of it compiles the code and starts the threads, and takes next to no memory.</summary>
    private static readonly HeadShape _warmUp = new(64, 64, 1000);

    public static IReadOnlyList<string> StartFor(Work work, bool isFused)
        => ServeCommand.StartOf(Verb, work.ToString(), isFused.ToString());

    public static void Run(string[] args)
    {
        Work work = Enum.Parse<Work>(args[0]);
        bool isFused = bool.Parse(args[1]);
        int threads = int.Parse(args[6]);
        using var small = new HeadProblem(_warmUp);
        new HeadCalls(small, threads, isFused).Run(work);

        using HeadProblem problem = HeadProblem.Load(HeadShape.Parse(args[3], args[4], args[5]), args[2]);
        var calls = new HeadCalls(problem, threads, isFused);
        if (work == Work.Gradient)
        {
            _ = (problem.HiddenGradient, problem.WeightGradient); // both are there from now on
        }

        double? loss = null;
        long? bytes = ProcessMemory.PeakAbove(() => loss = calls.Run(work));
        List<double> answers = [loss ?? calls.Run(work)];
        if (work == Work.Gradient)
        {
            answers.Add(problem.Dot(problem.HiddenGradient, problem.Hidden));
            answers.Add(problem.Dot(problem.WeightGradient, problem.Weight));
        }

        List<string> fields = [work.ToString(), calls.By, calls.Name(work)];
        fields.AddRange(answers.Select(answer => answer.ToString()));
        if (bytes is { } known)
        {
            fields.Add(known.ToString());
        }

        Console.WriteLine(string.Join('\t', fields));
        Console.WriteLine(PeerProcess.Ready);
        Console.In.ReadToEnd();
    }
}
