using System.Text;
using PtxLosses.Softmax;

namespace PtxLosses.Benchmarks;

/// <summary>What options and element types cost, against the plain call in float of the same run: <c>options.md</c>.</summary>
internal static class OptionsCommand
{
    private static readonly string[] _calls = ["loss", "gradient in place", "gradient to another buffer"];

    private static readonly (string Name, PtxLossOptions Options)[] _options =
    [
        ("plain", new()),
        ("`LabelSmoothing`", new() { LabelSmoothing = 0.1 }),
        ("`ZLossCoefficient`", new() { ZLossCoefficient = 1e-4 }),
        ("`LogitSoftCap`", new() { LogitSoftCap = 30 }),
        ("`TokenWeights`", new()), // of the number of tokens: see Run
        ("`AccumulateGradient`", new() { AccumulateGradient = true }),
    ];

    public static void Run(Shape shape, int threads, int rounds, ResultsFolder results)
    {
        using var problem = new LossProblem(shape);
        float[] weights = [.. problem.Targets.Select((_, token) => 0.5f + (token % 2))];
        List<Contender> contenders = [];
        foreach ((string name, PtxLossOptions options) in _options)
        {
            PtxLossOptions used = options with { MaxDegreeOfParallelism = threads };
            contenders.AddRange(Calls<float>(problem, name, name == "`TokenWeights`" ? used with { TokenWeights = weights } : used));
        }

        PtxLossOptions plain = new() { MaxDegreeOfParallelism = threads };
        contenders.AddRange(Calls<Half>(problem, "`Half`", plain));
        contenders.AddRange(Calls<BFloat16>(problem, "`BFloat16`", plain));
        Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
        IReadOnlyList<Measurement> measurements = Measurement.Take(contenders, rounds);
        string table = ToMarkdown(measurements, shape, threads);
        results.Write("options.md", $"# What options and element types cost\n\n{Machine.Describe(rounds)}\n\n{table}");
    }

    private static IEnumerable<Contender> Calls<TLogit>(LossProblem problem, string name, PtxLossOptions options)
        where TLogit : unmanaged
    {
        // One copy for the logits and one for what may be overwritten; they live as long as the process.
        AlignedArray<TLogit> logits = Converted<TLogit>(problem.Logits), gradient = Converted<TLogit>(problem.Logits);
        int vocabulary = problem.Shape.VocabularySize;
        yield return Make(0, () => PtxLoss.Compute(
            LossProblem.RlLoss, logits.Span, problem.Targets, vocabulary, LossProblem.Coefficient, options));
        if (!options.AccumulateGradient)
        {
            yield return Make(1, () => PtxLoss.ComputeWithGradient(
                LossProblem.RlLoss, gradient.Span, problem.Targets, vocabulary, LossProblem.Coefficient, gradient.Span, options));
        }

        yield return Make(2, () => PtxLoss.ComputeWithGradient(
            LossProblem.RlLoss, logits.Span, problem.Targets, vocabulary, LossProblem.Coefficient, gradient.Span, options));

        Contender Make(int call, Action run) => new(
            call == 0 ? Work.Forward : Work.Gradient,
            name,
            _calls[call],
            problem.Shape,
            options.MaxDegreeOfParallelism,
            Contender.TurnsOf(run));
    }

    private static AlignedArray<TLogit> Converted<TLogit>(AlignedArray<float> values)
        where TLogit : unmanaged
    {
        var converted = new AlignedArray<TLogit>(values.Length);
        for (int i = 0; i < values.Length; i++)
        {
            converted.Span[i] = LogitConvert.FromDouble<TLogit>(values.Span[i]);
        }

        return converted;
    }

    private static string ToMarkdown(IReadOnlyList<Measurement> measurements, Shape shape, int threads)
    {
        var table = new StringBuilder();
        table.Append($"Logits of {shape}, {threads} threads. Each cell: milliseconds, and relative to plain.\n\n");
        table.Append("| | loss | gradient in place | gradient to another buffer |\n| --- | --: | --: | --: |\n");
        foreach (IGrouping<string, Measurement> row in measurements.GroupBy(it => it.By, StringComparer.Ordinal))
        {
            table.Append($"| {row.Key} |");
            foreach (string call in _calls)
            {
                double? time = row.SingleOrDefault(it => it.Name == call)?.Milliseconds;
                double plain = measurements.Single(it => it.By == "plain" && it.Name == call).Milliseconds;
                table.Append(time == null ? " |" : $" {time:F2} ({time / plain:F2}) |");
            }

            table.Append('\n');
        }

        return table.ToString();
    }
}
