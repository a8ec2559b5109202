namespace PtxLosses.Benchmarks;

/// <summary>
/// Draws what the other commands measured: <c>throughput.svg</c> of <c>peers.csv</c>, and <c>scaling.svg</c> of
/// <c>vocabulary.csv</c>, <c>tokens.csv</c> and <c>threads.csv</c>, as far as these exist.
/// </summary>
internal static class ChartCommand
{
    public static void Run(ResultsFolder folder)
    {
        if (folder.Has("peers.csv"))
        {
            folder.WriteFile("throughput.svg", Throughput(folder.ReadCpuName("peers.csv"), folder.ReadCsv("peers.csv")));
        }

        if (folder.Has("vocabulary.csv"))
        {
            folder.WriteFile("scaling.svg", Scaling(
                folder.ReadCpuName("vocabulary.csv"),
                folder.ReadCsv("vocabulary.csv"),
                folder.ReadCsv("tokens.csv"),
                folder.ReadCsv("threads.csv")));
        }
    }

    private static string Throughput(string cpu, IReadOnlyList<Measurement> measurements)
    {
        // The shape and threads that most of them were timed on.
        var group = measurements.GroupBy(it => (it.Shape, it.Threads)).MaxBy(group => group.Count())!;
        string title = $"{Describe(group.Key.Shape)} float32 logits, {Describe(group.Key.Threads)}, {cpu}";
        return BarChart.Draw(title,
        [
            ("Loss", group.Where(it => it.Work == Work.Forward)),
            ("Loss and gradient", group.Where(it => it.Work == Work.Gradient)),
        ]);
    }

    private static string Scaling(
        string cpu,
        IReadOnlyList<Measurement> vocabulary,
        IReadOnlyList<Measurement> tokens,
        IReadOnlyList<Measurement> threads)
    {
        string logits = $"{vocabulary[0].Shape.Logits / 1e6:F1} million logits";
        string vocabularySize = $"Vocabulary {tokens[0].Shape.VocabularySize:N0}";
        return LineChart.Draw($"Time against vocabulary, tokens and threads, {cpu}",
        [
            new(
                vocabulary,
                $"{logits}, {Describe(vocabulary[0].Threads)}",
                "vocabulary",
                it => it.Shape.VocabularySize,
                "µs per token",
                it => 1e3 * it.Milliseconds / it.Shape.Tokens),
            new(tokens, $"{vocabularySize}, {Describe(tokens[0].Threads)}", "tokens", it => it.Shape.Tokens, "ms", it => it.Milliseconds),
            new(threads, $"{Describe(threads[0].Shape)}", "threads", it => it.Threads, "ms", it => it.Milliseconds),
        ]);
    }

    private static string Describe(Shape shape)
        => $"{shape.Tokens:N0} × {shape.VocabularySize:N0}";

    private static string Describe(int threads) => threads == 1 ? "one thread" : $"{threads} threads";
}
