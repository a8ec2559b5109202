using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>What options and element types cost, against the plain call in float of the same run: <c>options.md</c>.</summary>
internal static class OptionsCommand
{
    private static readonly string[] _calls = ["loss", "gradient in place", "gradient to another buffer"];

    private const string PerToken = "per token";

    private static readonly string[] _tokenCalls =
        ["`Forward`, losses", "`Forward`, losses and entropies", "`Backward` of losses", "`Backward` of losses and entropies"];

    private static readonly (string Name, PtxLossOptions Options)[] _options =
    [
        ("plain", new()),
        ("`LabelSmoothing`", new() { LabelSmoothing = 0.1 }),
        ("`ZLossCoefficient`", new() { ZLossCoefficient = 1e-4 }),
        ("`LogitScale`", new() { LogitScale = 0.7 }),
        ("`LogitSoftCap`", new() { LogitSoftCap = 30 }),
        ("`tokenWeights`", new()), // a parameter: see Run
        ("`TargetWeighting`", new() { TargetWeighting = TargetWeighting.Probability }),
        ("`Statistics`", new() { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy }),
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
            contenders.AddRange(Calls<float>(problem, name, used, name == "`tokenWeights`" ? weights : []));
        }

        PtxLossOptions plain = new() { MaxDegreeOfParallelism = threads };
        contenders.AddRange(Calls<Half>(problem, "`Half`", plain, []));
        contenders.AddRange(Calls<BFloat16>(problem, "`BFloat16`", plain, []));
        contenders.AddRange(TokenCalls(problem, plain));
        Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
        IReadOnlyList<Measurement> measurements = Measurement.Take(contenders, rounds);
        string table = ToMarkdown(measurements, shape, threads);
        results.Write("options.md", $"# What options and element types cost\n\n{Machine.Describe(rounds)}\n\n{table}");
    }

    private static IEnumerable<Contender> Calls<TLogit>(
        LossProblem problem, string name, PtxLossOptions options, float[] tokenWeights)
        where TLogit : unmanaged
    {
        // One copy for the logits and one for what may be overwritten; they live as long as the process.
        NativeArray<TLogit> logits = new(problem.Logits.Span), gradient = new(problem.Logits.Span);
        int vocabulary = problem.Shape.VocabularySize;
        yield return Make(0, () => PtxLoss.Compute(
            LossProblem.RlLoss, logits.Span, problem.Targets, vocabulary, LossProblem.Coefficient, options, tokenWeights));
        if (!options.AccumulateGradient)
        {
            yield return Make(1, () => PtxLoss.ComputeWithGradient(
                LossProblem.RlLoss,
                gradient.Span,
                problem.Targets,
                vocabulary,
                LossProblem.Coefficient,
                gradient.Span,
                options,
                tokenWeights));
        }

        yield return Make(2, () => PtxLoss.ComputeWithGradient(
            LossProblem.RlLoss,
            logits.Span,
            problem.Targets,
            vocabulary,
            LossProblem.Coefficient,
            gradient.Span,
            options,
            tokenWeights));

        Contender Make(int call, Action run) => new(
            call == 0 ? Work.Forward : Work.Gradient,
            name,
            _calls[call],
            problem.Shape,
            options.MaxDegreeOfParallelism,
            Contender.TurnsOf(run));
    }

    /// <summary>Per-token calls, with and without the entropy; the gradient goes to another buffer.</summary>
    private static IEnumerable<Contender> TokenCalls(LossProblem problem, PtxLossOptions options)
    {
        int tokens = problem.Shape.Tokens, vocabulary = problem.Shape.VocabularySize;
        NativeArray<float> logits = new(problem.Logits.Span), gradient = new(problem.Logits.Span);
        double[] loss = new double[tokens], logSumExp = new double[tokens], entropy = new double[tokens], by = new double[tokens];
        CrossEntropy.Forward(logits.Span, problem.Targets, vocabulary, new() { LogSumExp = logSumExp, Entropy = entropy });
        Array.Fill(by, -1e-3);
        yield return Make(0, () => CrossEntropy.Forward<float, int>(
            logits.Span, problem.Targets, vocabulary, new() { Loss = loss }, options));
        yield return Make(1, () => CrossEntropy.Forward<float, int>(
            logits.Span, problem.Targets, vocabulary, new() { Loss = loss, Entropy = entropy }, options));
        yield return Make(2, () => CrossEntropy.Backward<float, int>(
            logits.Span,
            problem.Targets,
            vocabulary,
            new() { LogSumExp = logSumExp },
            new() { Loss = by },
            gradient.Span,
            options));
        yield return Make(3, () => CrossEntropy.Backward<float, int>(
            logits.Span,
            problem.Targets,
            vocabulary,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = by, Entropy = by },
            gradient.Span,
            options));

        Contender Make(int call, Action run) => new(
            call < 2 ? Work.Forward : Work.Gradient,
            PerToken,
            _tokenCalls[call],
            problem.Shape,
            options.MaxDegreeOfParallelism,
            Contender.TurnsOf(run));
    }

    private static string ToMarkdown(IReadOnlyList<Measurement> measurements, Shape shape, int threads)
    {
        var table = new StringBuilder();
        table.Append($"Logits of {shape}, {threads} threads. Each cell: milliseconds, and relative to plain.\n\n");
        table.Append("| | loss | gradient in place | gradient to another buffer |\n| --- | --: | --: | --: |\n");
        foreach (IGrouping<string, Measurement> row in measurements.Where(it => it.By != PerToken)
            .GroupBy(it => it.By, StringComparer.Ordinal))
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

        table.Append("\n`CrossEntropy`, relative to the call without entropies:\n\n| call | |\n| --- | --: |\n");
        for (int call = 0; call < _tokenCalls.Length; call++)
        {
            double time = TimeOf(call), without = TimeOf(call / 2 * 2);
            table.Append($"| {_tokenCalls[call]} | {time:F2} ({time / without:F2}) |\n");
        }

        return table.ToString();

        double TimeOf(int call) => measurements.Single(it => it.By == PerToken && it.Name == _tokenCalls[call]).Milliseconds;
    }
}
