using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>What was measured on one shape of hidden states and weight.</summary>
internal sealed class HeadTable(HeadShape shape, int threads, IReadOnlyList<Measurement> measurements)
{
    public const string Legend = """
        Shapes are tokens × width × vocabulary, of float32. Multiplications are limits: of the same work only the matrix
        products, hidden · weightᵀ and, for the gradients, G · weight and Gᵀ · hidden, with all logits and all of their gradient
        G in memory. GFLOP/s: 2 operations per token, column and word of the vocabulary, 6 with gradients, in 10^9 per second.
        Memory: how far the peak of a process is above what it has with all inputs and gradients in memory, in its first run, in
        10^6 bytes.
        """;

    public const string RatiosHeader =
        "| What | Shape | Threads | PtxLoss | Against | | Ratio |\n| --- | --- | --: | --: | --- | --: | --: |\n";

    /// <summary>Below it, memory is as much what the process happened to have free.</summary>
    private const long TellingBytes = 1_000_000;

    /// <summary>How peers that the ratios are to begin what they announce.</summary>
    private const string Multiplications = "oneDNN", Framework = "PyTorch";

    /// <summary>Rows under <see cref="RatiosHeader"/>.</summary>
    public string ToRatios()
    {
        var rows = new StringBuilder();
        foreach (var (work, title) in new[] { (Work.Forward, "Loss"), (Work.Gradient, "Loss and gradients") })
        {
            Measurement ours = Find(work, Contender.PtxLoss)!;
            Measurement unfused = Find(work, HeadCalls.Unfused)!;
            AddTimes($"{title}, logits in memory", unfused, "0.00×");
            AddMemory($"{title}, logits in memory", unfused);
            foreach (Measurement limit in measurements.Where(it => it.Work == work && IsLimit(it)))
            {
                AddTimes($"{title}, multiplications", limit, "P0");
            }

            if (Find(work, Framework) is { } framework)
            {
                AddTimes(title, framework, "0.00×");
                AddMemory($"{title}, memory", framework);
            }

            void AddMemory(string what, Measurement other)
            {
                if (other.ExtraBytes is { } theirs && ours.ExtraBytes is { } own)
                {
                    string ratio = Math.Min(own, theirs) >= TellingBytes
                        ? ((double)theirs / own).ToString("0.0×")
                        : "";
                    Add(what, $"{Megabytes(own)} MB", other, $"{Megabytes(theirs)} MB", ratio);
                }
            }

            void AddTimes(string what, Measurement other, string format) => Add(
                what,
                Text(ours.Milliseconds),
                other,
                Text(other.Milliseconds),
                (other.Milliseconds / ours.Milliseconds).ToString(format));
        }

        return rows.ToString();

        void Add(string what, string ours, Measurement other, string theirs, string ratio)
            => rows.Append($"| {what} | {shape} | {threads} | {ours} | {other.By}: {other.Name} | {theirs} | {ratio} |\n");
    }

    /// <summary>A line for each contender, losses first, fastest first.</summary>
    public string ToMarkdown()
    {
        var markdown = new StringBuilder();
        markdown.Append($"## {shape}, {threads} {(threads == 1 ? "thread" : "threads")}\n\n")
            .Append("| Work | Whose | What | Median | GFLOP/s | Of oneDNN's rate | PyTorch's time / this | Memory |\n")
            .Append("| --- | --- | --- | --: | --: | --: | --: | --: |\n");
        foreach (Measurement it in measurements.OrderBy(it => it.Work).ThenBy(it => it.Milliseconds))
        {
            double gigaflops = shape.Operations(it.Work) / it.Milliseconds / 1e6;
            string ofLimit = Ratio(Multiplications, "P0"), ofFramework = Ratio(Framework, "0.00×");
            string memory = it.ExtraBytes is { } bytes ? $"{Megabytes(bytes)} MB" : "";
            markdown.Append(it.Work == Work.Forward ? "| loss " : "| loss and gradients ")
                .Append($"| {it.By} | {it.Name} | {Text(it.Milliseconds)} | {gigaflops:F0} ")
                .Append($"| {ofLimit} | {ofFramework} | {memory} |\n");

            string Ratio(string by, string format)
                => (Find(it.Work, by)?.Milliseconds / it.Milliseconds)?.ToString(format) ?? "";
        }

        return markdown.ToString();
    }

    /// <summary>Multiplications are, and all that is neither PtxLoss nor the framework multiplies.</summary>
    private static bool IsLimit(Measurement it)
        => it.By is not (Contender.PtxLoss or HeadCalls.Unfused) && !it.By.StartsWith(Framework, StringComparison.Ordinal);

    private static string Text(double milliseconds) => $"{milliseconds:G4} ms";

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("F1");

    private Measurement? Find(Work work, string by) => measurements
        .Where(it => it.Work == work && it.By.StartsWith(by, StringComparison.Ordinal))
        .MinBy(it => it.Milliseconds);
}
