using System.Globalization;
using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the last layer's part of a whole step of PPO-ptx, from hidden states and with logits in memory, and the calls that it
/// consists of, and writes <c>step.md</c>.
/// </summary>
internal static class StepCommand
{
    public static readonly HeadShape DefaultShape = new(1024, 768, 50_304);

    private const string Steps = "step";

    private const string Legend = """
        Shapes are tokens × width × vocabulary. A step: log-probabilities and entropies of a policy's tokens, gradients of a
        clipped surrogate with an entropy bonus, and loss and gradients of as many tokens of text. Memory: how far the peak of a
        process is above what it has with hidden states, weight and all gradients of these in memory, in its first step, in 10^6
        bytes. GFLOP/s: 2 operations per token, column and word of the vocabulary, 6 for gradients, in 10^9 per second.
        """;

    /// <summary>The ways of a step.</summary>
    public static IReadOnlyList<Func<HeadProblem, int, StepCalls>> Ways { get; } =
    [
        (problem, threads) => new HiddenStep<float>(problem, threads),
        (problem, threads) => new HiddenStep<Half>(problem, threads),
        (problem, threads) => new HiddenStep<BFloat16>(problem, threads),
        (problem, threads) => new LogitStep(problem, threads),
    ];

    public static void Run(HeadShape shape, int threads, int rounds, ResultsFolder results)
    {
        Console.Error.WriteLine($"making and checking {shape}");
        using var problem = new HeadProblem(shape);
        using var peers = new Peers(problem, threads);
        StepCalls[] steps = [.. Ways.Select(way => way(problem, threads))];
        Check(problem, steps);
        Contender[] contenders =
        [
            .. steps.Select((step, way) => new Contender(
                Work.Gradient, Steps, step.Name, shape.Logits, threads, Contender.TurnsOf(() => step.Run()))
            {
                ExtraBytes = peers.ExtraBytes(StepMemoryCommand.StartFor(way)),
            }),
            .. Calls<float>(steps[0]),
            .. Calls<Half>(steps[1]),
            .. Calls<BFloat16>(steps[2]),
        ];
        Console.Error.WriteLine($"timing {contenders.Length} contenders in {rounds} rounds");
        IReadOnlyList<Measurement> measurements = Measurement.Take(contenders, rounds);
        results.Write(
            "step.md",
            $"# A step of PPO-ptx\n\n{Machine.Describe(rounds, Legend)}\n\n{ToMarkdown(measurements, shape, threads)}");

        IEnumerable<Contender> Calls<TElement>(StepCalls step)
            where TElement : unmanaged
            => ((HiddenStep<TElement>)step).Calls().Select(call => new Contender(
                call.Work, typeof(TElement).Name, call.Name, shape.Logits, threads, Contender.TurnsOf(call.Run)));
    }

    /// <summary>The text's loss is the reference's, and all ways agree in the total and in the gradient of the weight.</summary>
    private static void Check(HeadProblem problem, StepCalls[] steps)
    {
        double[]? expected = null;
        foreach (StepCalls step in steps)
        {
            PtxLossResult result = step.Run();
            bool isRounded = !step.Name.Contains(nameof(Single), StringComparison.Ordinal);
            if (!isRounded)
            {
                problem.Check(step.Name, result.LanguageModelLoss);
            }

            double[] actual = [result.Total, problem.Dot(step.WeightGradient, problem.Weight)];
            expected ??= actual;
            double tolerance = isRounded ? 0.05 : 1e-4; // hidden states and weights of 16 bits are other numbers
            if (actual.Zip(expected).Any(it => !(Math.Abs(it.First - it.Second) <= tolerance * (1 + Math.Abs(it.Second)))))
            {
                throw new InvalidOperationException(
                    $"{step.Name}: {string.Join(", ", actual)}, not {string.Join(", ", expected)}.");
            }
        }
    }

    private static string ToMarkdown(IReadOnlyList<Measurement> measurements, HeadShape shape, int threads)
    {
        var text = new StringBuilder(
            $"## Steps, {shape}, {threads} threads\n\n| Step | Median | Memory |\n| --- | --: | --: |\n");
        foreach (Measurement it in measurements.Where(it => it.By == Steps))
        {
            string memory = it.ExtraBytes is { } bytes ? $"{(bytes / 1e6).ToString("F1", CultureInfo.InvariantCulture)} MB" : "";
            text.Append($"| {it.Name} | {it.Milliseconds:G4} ms | {memory} |\n");
        }

        text.Append($"\n## Calls, {shape}, {threads} threads\n\n")
            .Append("Rate: that of the call relative to the first call of its work in `Single`.\n\n")
            .Append("| Call | Elements | Median | GFLOP/s | Rate |\n| --- | --- | --: | --: | --: |\n");
        foreach (Measurement it in measurements.Where(it => it.By != Steps).OrderBy(it => it.Work))
        {
            Measurement first = measurements.First(other => other.By == nameof(Single) && other.Work == it.Work);
            text.Append(
                $"| {it.Name} | `{it.By}` | {it.Milliseconds:G4} ms | {shape.Operations(it.Work) / it.Milliseconds / 1e6:F0} ")
                .Append($"| {first.Milliseconds / it.Milliseconds:F2} |\n");
        }

        return text.ToString();
    }
}

/// <summary>
/// A <see cref="PeerProcess"/> that says how much memory one step takes, in a process of its own: neither what this program took
/// before nor what another step kept is there to be used again.
/// </summary>
internal static class StepMemoryCommand
{
    public const string Verb = "step-memory";

    /// <summary>A step of it compiles the code and starts the threads, and takes next to no memory.</summary>
    private static readonly HeadShape _warmUp = new(64, 64, 1000);

    public static IReadOnlyList<string> StartFor(int way)
        => ServeCommand.StartOf(Verb, way.ToString(CultureInfo.InvariantCulture));

    public static void Run(string[] args)
    {
        // Its own, and then, as every peer: folder, tokens, width, vocabulary, threads, coefficient.
        Func<HeadProblem, int, StepCalls> make = StepCommand.Ways[int.Parse(args[0])];
        int threads = int.Parse(args[5]);
        using var small = new HeadProblem(_warmUp);
        make(small, threads).Run();

        using HeadProblem problem = HeadProblem.Load(HeadShape.Parse(args[2], args[3], args[4]), args[1]);
        StepCalls step = make(problem, threads);
        _ = step.WeightGradient; // it is there from now on
        double? loss = null;
        long? bytes = ProcessMemory.PeakAbove(() => loss = step.Run().LanguageModelLoss);
        List<string> fields = [nameof(Work.Forward), "step", step.Name, (loss ?? step.Run().LanguageModelLoss).ToString()];
        if (bytes is { } known)
        {
            fields.Add(known.ToString());
        }

        Console.WriteLine(string.Join('\t', fields));
        Console.WriteLine(PeerProcess.Ready);
        Console.In.ReadToEnd();
    }
}
