namespace PtxLosses.Benchmarks;

/// <summary>
/// Time against the vocabulary (with as many logits in all), the tokens and the threads, beside the limits and the composed
/// alternative: <c>vocabulary.csv</c>, <c>tokens.csv</c>, <c>threads.csv</c> and <c>scaling.md</c>.
/// </summary>
internal static class ScalingCommand
{
    private const int SmallestVocabulary = 1 << 10, LargestVocabulary = 1 << 19;

    public static void Run(Shape shape, int threads, int rounds, ResultsFolder results)
    {
        List<Shape> vocabularies = [], tokens = [];
        for (int size = SmallestVocabulary; size <= LargestVocabulary && size <= shape.Logits; size *= 2)
        {
            vocabularies.Add(new(shape.Logits / size, size));
        }

        for (long count = 1; count <= 16L * shape.Tokens; count *= 4)
        {
            tokens.Add(shape with { Tokens = (int)count });
        }

        string markdown = $"# Scaling\n\n{Machine.Describe(rounds)}\n";
        Sweep("vocabulary", vocabularies.SelectMany(each => Measure(each, [threads])));
        Sweep("tokens", tokens.SelectMany(each => Measure(each, [threads])));
        Sweep("threads", Measure(shape, [.. Enumerable.Range(1, Environment.ProcessorCount).Where(IsTelling)]));
        results.Write("scaling.md", markdown);

        IReadOnlyList<Measurement> Measure(Shape shape, IReadOnlyList<int> threadCounts)
        {
            Console.Error.WriteLine($"timing {shape}");
            using var problem = new LossProblem(shape);
            return Measurement.Take([.. threadCounts.SelectMany(threads => Contenders(new(problem, threads)))], rounds);
        }

        void Sweep(string name, IEnumerable<Measurement> measurements)
        {
            Measurement[] taken = [.. measurements];
            results.WriteCsv($"{name}.csv", taken);
            markdown += $"\n## By {name}\n\n{TimesTable.ToPivot(taken)}";
        }
    }

    private static IEnumerable<Contender> Contenders(Field field) =>
    [
        .. field.ReadLimits(),
        field.Compute(),
        .. field.TensorPrimitivesForward(),
        field.MultiplyLimit(),
        field.ComputeInPlace(),
    ];

    /// <summary>All of a few threads, powers of 2 of many.</summary>
    private static bool IsTelling(int threads)
        => threads <= 8 || int.IsPow2(threads) || threads == Environment.ProcessorCount;
}
