using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>What was measured on one shape of hidden states and weight.</summary>
internal sealed class HeadTable(HeadShape shape, int threads, IReadOnlyList<Measurement> measurements)
{
    public const string Legend = """
        Shapes are tokens × width × vocabulary, of float32. Multiplications are limits: of the same work only the matrix products,
        hidden · weightᵀ and, for the gradients, G · weight and Gᵀ · hidden, with all logits and all of their gradient G in
        memory. GFLOP/s: 2 operations per token, column and word of the vocabulary, 6 with gradients, in 10^9 per second. Memory:
        fresh, where what is made, gradients or logits, goes to memory that each run asks for anew, as users call torch;
        reused, where it goes to memory that was used before, allocated ahead or kept by the allocator; libtorch's time is that
        with memory of the same kind. Extra memory: how far the peak of a process is above what it has with all inputs and
        gradients in memory, in its first run, in 10^6 bytes.
        """;

    public const string RatiosHeader =
        "| What | Shape | Threads | PtxLoss | Against | | Ratio |\n| --- | --- | --: | --: | --- | --: | --: |\n";

    /// <summary>Below it, memory is as much what the process happened to have free.</summary>
    private const long TellingBytes = 1_000_000;

    /// <summary>Those that only multiply.</summary>
    private const string OneDnn = "oneDNN", OpenBlas = "OpenBLAS";

    /// <summary>Rows under <see cref="RatiosHeader"/>.</summary>
    public string ToRatios()
    {
        var rows = new StringBuilder();
        foreach (var (work, title) in new[] { (Work.Forward, "Loss"), (Work.Gradient, "Loss and gradients") })
        {
            Measurement ours = Find(work, Contender.PtxLoss, OutputMemory.Reused)!;
            Measurement unfused = Find(work, HeadCalls.Unfused, OutputMemory.Reused)!;
            AddTimes($"{title}, logits in memory", ours, unfused, "0.00×");
            AddMemory($"{title}, logits in memory", ours, unfused);
            foreach (Measurement limit in measurements.Where(it => it.Work == work && IsLimit(it)))
            {
                AddTimes($"{title}, multiplications", ours, limit, "P0");
            }

            foreach (OutputMemory memory in Enum.GetValues<OutputMemory>())
            {
                if (Find(work, Contender.Libtorch, memory) is { } torch
                    && Find(work, Contender.TorchSharp, memory) is { } onTensors)
                {
                    string what = $"{title} of tensors, {TimesTable.Describe(memory)} memory";
                    AddTimes(what, onTensors, torch, "0.00×");
                    AddMemory(what, onTensors, torch);
                }
            }
        }

        return rows.ToString();

        void AddMemory(string what, Measurement ours, Measurement other)
        {
            if (other.ExtraBytes is { } theirs && ours.ExtraBytes is { } own)
            {
                string ratio = Math.Min(own, theirs) >= TellingBytes ? ((double)theirs / own).ToString("0.0×") : "";
                Add($"{what}, extra", $"{Megabytes(own)} MB", other, $"{Megabytes(theirs)} MB", ratio);
            }
        }

        void AddTimes(string what, Measurement ours, Measurement other, string format) => Add(
            what,
            Text(ours.Milliseconds),
            other,
            Text(other.Milliseconds),
            (other.Milliseconds / ours.Milliseconds).ToString(format));

        void Add(string what, string ours, Measurement other, string theirs, string ratio)
            => rows.Append($"| {what} | {shape} | {threads} | {ours} | {other.By}: {other.Name} | {theirs} | {ratio} |\n");
    }

    /// <summary>A line for each contender, losses first, fastest first.</summary>
    public string ToMarkdown()
    {
        var markdown = new StringBuilder();
        markdown.Append($"## {shape}, {threads} {(threads == 1 ? "thread" : "threads")}\n\n")
            .Append("| Work | Whose | What | Memory | Median | GFLOP/s | Of oneDNN's rate | libtorch's time / this ")
            .Append("| Extra memory |\n")
            .Append("| --- | --- | --- | --- | --: | --: | --: | --: | --: |\n");
        foreach (Measurement it in measurements.OrderBy(it => it.Work).ThenBy(it => it.Milliseconds))
        {
            double gigaflops = shape.Operations(it.Work) / it.Milliseconds / 1e6;
            string ofLimit = Ratio(OneDnn, OutputMemory.Reused, "P0");
            string ofTorch = Ratio(Contender.Libtorch, it.Memory, "0.00×");
            string extra = it.ExtraBytes is { } bytes ? $"{Megabytes(bytes)} MB" : "";
            markdown.Append(it.Work == Work.Forward ? "| loss " : "| loss and gradients ")
                .Append($"| {it.By} | {it.Name} | {TimesTable.Describe(it.Memory)} | {Text(it.Milliseconds)} | {gigaflops:F0} ")
                .Append($"| {ofLimit} | {ofTorch} | {extra} |\n");

            string Ratio(string by, OutputMemory memory, string format)
                => (Find(it.Work, by, memory)?.Milliseconds / it.Milliseconds)?.ToString(format) ?? "";
        }

        return markdown.ToString();
    }

    private static bool IsLimit(Measurement it) => it.Library is OneDnn or OpenBlas;

    private static string Text(double milliseconds) => $"{milliseconds:G4} ms";

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("F1");

    /// <summary>The fastest of those whose code it is, in any version.</summary>
    private Measurement? Find(Work work, string library, OutputMemory memory) => measurements
        .Where(it => it.Work == work && it.Memory == memory && it.Library == library)
        .MinBy(it => it.Milliseconds);
}
