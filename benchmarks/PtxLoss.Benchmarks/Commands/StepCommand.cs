using System.Globalization;
using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the last layer's part of a whole step of PPO-ptx, from hidden states and with logits in memory, and the calls that it
/// consists of, and writes <c>step.md</c>.
/// </summary>
internal static class StepCommand
{
    private const string Steps = "step";

    private const string Legend = """
        Shapes are tokens × width × vocabulary. A step: log-probabilities and entropies of a policy's tokens, gradients of a
        clipped surrogate with an entropy bonus, and loss and gradients of as many tokens of text. Memory: how far the peak of a
        process is above what it has with hidden states, weight and all gradients of these in memory, in its first step, in 10^6
        bytes. GFLOP/s: 2 operations per token, column and word of the vocabulary, 6 for gradients, in 10^9 per second.
        """;

    public static void Run(HeadShape shape, int threads, int rounds, ResultsFolder results)
    {
        Console.Error.WriteLine($"making and checking {shape}");
        using var problem = new HeadProblem(shape);
        using var peers = new Peers(problem, threads);
        StepCalls[] steps = [.. StepCalls.Ways(problem, threads)];
        Check(problem, steps);
        Contender[] contenders =
        [
            .. steps.Select((step, way) => new Contender(
                Work.Gradient, Steps, step.Name, shape.Logits, threads, Contender.TurnsOf(() => step.Run()))
            {
                ExtraBytes = peers.ExtraBytes(new(OwnPeer.Step, Measured: way)),
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

            double[] actual = [result.Total, Sums.Dot(step.WeightGradient.Span, problem.Weight.Span)];
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
