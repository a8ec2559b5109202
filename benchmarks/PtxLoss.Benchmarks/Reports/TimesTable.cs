using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>Measurements as they are.</summary>
internal static class TimesTable
{
    public const string Legend = """
        Memory: fresh, where outputs go to memory that each run asks for anew, as users call it; reused, where they go to memory
        that was used before, allocated ahead or kept by the allocator. × PtxLoss: the time relative to that of PtxLoss: Compute
        or, of gradients, ComputeWithGradient, to another buffer.
        """;

    /// <summary>A line for each measurement, fastest first.</summary>
    public static string ToMarkdown(IReadOnlyList<Measurement> measurements)
    {
        var markdown = new StringBuilder();
        foreach (var group in measurements.GroupBy(it => (it.Work, it.Shape, it.Threads)))
        {
            var (work, shape, threads) = group.Key;
            Measurement? ours = group.LastOrDefault(
                it => it.By == Contender.PtxLoss && it.Name is Names.Compute or Names.ToOther);
            string title = work == Work.Forward ? "Loss" : "Loss and gradient";
            markdown.Append($"## {title}, {shape}, {threads} {(threads == 1 ? "thread" : "threads")}\n\n")
                .Append("| Whose | What | Memory | Median | GB/s | × PtxLoss |\n| --- | --- | --- | --: | --: | --: |\n");
            foreach (Measurement it in group.OrderBy(it => it.Milliseconds))
            {
                markdown.Append($"| {it.By} | {it.Name} | {Describe(it.Memory)} | {it.Milliseconds:G4} ms "
                    + $"| {it.GigabytesPerSecond:F1} | {it.Milliseconds / ours?.Milliseconds:F2} |\n");
            }

            markdown.Append('\n');
        }

        return markdown.ToString();
    }

    public static string Describe(OutputMemory memory) => memory == OutputMemory.Fresh ? "fresh" : "reused";

    /// <summary>A line for each shape and number of threads, a column for each contender.</summary>
    public static string ToPivot(IReadOnlyList<Measurement> measurements)
    {
        (Work, string By, string Name)[] columns = [.. measurements.Select(it => (it.Work, it.By, it.Name)).Distinct()];
        var markdown = new StringBuilder("| Shape | Threads |")
            .AppendJoin("|", columns.Select(it => $" {it.By}: {it.Name}, ms ")).Append("|\n")
            .Append("| --- | --: |").AppendJoin("|", columns.Select(_ => " --: ")).Append("|\n");
        foreach (var row in measurements.GroupBy(it => (it.Shape, it.Threads)))
        {
            markdown.Append($"| {row.Key.Shape} | {row.Key.Threads} |");
            foreach (var column in columns)
            {
                Measurement it = row.First(it => (it.Work, it.By, it.Name) == column);
                markdown.Append($" {it.Milliseconds:G4} ({it.GigabytesPerSecond:F1} GB/s) |");
            }

            markdown.Append('\n');
        }

        return markdown.ToString();
    }
}
