using System.Runtime.Intrinsics;

namespace PtxLosses.Benchmarks;

/// <summary>The other end of a <see cref="PeerProcess"/>: this library under other settings of the runtime.</summary>
internal static class ServeCommand
{
    public const string Verb = "serve";

    /// <summary>What starts this program again, as a peer.</summary>
    public static IReadOnlyList<string> Self { get; } = StartOf(Verb);

    /// <summary>What starts this program again.</summary>
    public static IReadOnlyList<string> StartOf(params ReadOnlySpan<string> args) =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet"
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "PtxLoss.Benchmarks.dll"), .. args]
            : [Environment.ProcessPath!, .. args];

    public static void Run(string[] args)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            throw new InvalidOperationException("512-bit vectors are on: DOTNET_EnableAVX512=0 turns them off.");
        }

        // As every peer: folder, tokens, vocabulary, threads, coefficient.
        using LossProblem problem = LossProblem.Load(new(int.Parse(args[1]), int.Parse(args[2])), args[0]);
        Contender contender = new Field(problem, threads: int.Parse(args[3])).Compute();
        string loss = problem.MeanLoss.ToString(); // what the contender's was compared with
        Console.WriteLine(string.Join('\t', contender.Work, contender.By, Names.Avx2, loss));
        Console.WriteLine(PeerProcess.Ready);
        while (Console.ReadLine() is not null)
        {
            Console.WriteLine(contender.TakeTurn().ToString());
        }
    }
}

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
        // Its own two, and then, as every peer: folder, tokens, width, vocabulary, threads, coefficient.
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

/// <summary>The physical memory that this process has, as Linux counts it.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status", ClearReferences = "/proc/self/clear_refs";

    /// <summary>
    /// How many bytes the peak during an action is above what the process had before; <see langword="null"/>, and nothing has
    /// run, where there is no telling.
    /// </summary>
    public static long? PeakAbove(Action action)
    {
        if (!File.Exists(ClearReferences))
        {
            return null;
        }

        long start = Bytes("VmRSS:");
        File.WriteAllText(ClearReferences, "5"); // the peak counts from here on: proc_pid_clear_refs(5)
        action();
        return Bytes("VmHWM:") - start;
    }

    private static long Bytes(string field)
    {
        string line = File.ReadLines(Status).First(line => line.StartsWith(field, StringComparison.Ordinal));
        return 1024 * long.Parse(line[field.Length..^"kB".Length]);
    }
}
