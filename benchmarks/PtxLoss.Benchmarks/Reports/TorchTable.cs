using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>The library's functions of torch's tensors beside torch's own.</summary>
internal sealed class TorchTable(HeadShape shape, Shape small, int threads, IReadOnlyList<Measurement> measurements)
{
    public const string Legend = """
        Shapes are tokens × vocabulary of float32 logits, or tokens × width × vocabulary where the output layer is part of the
        work. Fresh memory: as users call torch, which takes memory from the system in each step and gives it back. Reused memory:
        glibc's allocator keeps what is freed, as TorchMemory.KeepFreed() tells it, for torch and for PtxLoss.TorchSharp alike.
        Ratios are torch's time or memory over that of PtxLoss.TorchSharp. In place, the gradient replaces the logits.
        """;

    private static readonly (string What, string OfTorch, string Ours)[] _ofLogits =
    [
        ("`cross_entropy`, forward and backward", Names.CrossEntropyBackward, Names.CrossEntropyBackward),
        ("the same, `inplace: true`", Names.CrossEntropyBackward, Names.CrossEntropyInPlace),
        ("`cross_entropy` under `no_grad`", Names.CrossEntropy, Names.CrossEntropy),
    ];

    private static readonly (string What, string OfTorch, string Ours)[] _ofHidden =
    [
        ("`linear_cross_entropy`, forward and backward", Names.LinearBackward, Names.LinearCrossEntropyBackward),
        ("`linear_cross_entropy` under `no_grad`", Names.Linear, Names.LinearCrossEntropy),
    ];

    /// <summary>The calls over spans that those of <see cref="_ofLogits"/> make.</summary>
    private static readonly string[] _core = [Names.ToOther, Names.InPlace, Names.Compute];

    private string Torch => measurements.First(it => it.Library == Contender.Libtorch).By;

    public string ToMarkdown()
    {
        var text = new StringBuilder($"## Time, {threads} threads\n\n")
            .Append($"| What | Shape | {Torch}, fresh memory | PtxLoss.TorchSharp | Ratio ")
            .Append($"| {Torch}, reused memory | PtxLoss.TorchSharp | Ratio |\n")
            .Append("| --- | --- | --: | --: | --: | --: | --: | --: |\n");
        foreach (var row in _ofLogits)
        {
            AddTimes(row, shape.Logits.ToString());
        }

        foreach (var row in _ofHidden)
        {
            AddTimes(row, shape.ToString());
        }

        text.Append($"\n## Peak memory above inputs, parameters and gradients, {threads} threads\n\n")
            .Append($"| What | Shape | {Torch} | PtxLoss.TorchSharp | Ratio |\n| --- | --- | --: | --: | --: |\n");
        foreach (var (what, ofTorch, ours) in _ofHidden)
        {
            long? theirs = OfTorch(ofTorch, OutputMemory.Fresh)?.ExtraBytes, own = Ours(ours, OutputMemory.Fresh)?.ExtraBytes;
            text.Append($"| {what} | {shape} | {theirs / 1e6:F1} MB | {own / 1e6:F1} MB | {(double?)theirs / own:0.0×} |\n");
        }

        text.Append($"\n## What autograd and tensors cost, {small}, {threads} threads\n\n")
            .Append("In brackets: how far PtxLoss.TorchSharp is above the same call of PtxLoss over spans.\n\n")
            .Append("| What | PtxLoss | PtxLoss.TorchSharp, fresh memory | PtxLoss.TorchSharp, reused memory ")
            .Append($"| {Torch}, reused memory |\n")
            .Append("| --- | --: | --: | --: | --: |\n");
        foreach (var (row, core) in _ofLogits.Zip(_core))
        {
            double bare = Find(small, Contender.PtxLoss, core, OutputMemory.Reused)!.Milliseconds;
            string ofTorch = Microseconds(Find(small, Contender.Libtorch, row.OfTorch, OutputMemory.Reused));
            text.Append($"| {row.What} | {1e3 * bare:F1} µs | {Above(OutputMemory.Fresh)} | {Above(OutputMemory.Reused)} ")
                .Append($"| {ofTorch} |\n");

            string Above(OutputMemory memory)
                => Find(small, Contender.TorchSharp, row.Ours, memory) is { } it
                    ? $"{Microseconds(it)} ({1e3 * (it.Milliseconds - bare):+0.0;-0.0})"
                    : "";
        }

        return text.ToString();

        void AddTimes((string What, string OfTorch, string Ours) row, string size)
        {
            text.Append($"| {row.What} | {size} |");
            foreach (OutputMemory memory in new[] { OutputMemory.Fresh, OutputMemory.Reused })
            {
                double? theirs = OfTorch(row.OfTorch, memory)?.Milliseconds, own = Ours(row.Ours, memory)?.Milliseconds;
                text.Append($" {Text(theirs)} | {Text(own)} | {theirs / own:0.0×} |");
            }

            text.Append('\n');
        }
    }

    private static string Text(double? milliseconds) => milliseconds is { } known ? $"{known:G4} ms" : "";

    private static string Microseconds(Measurement? it) => it is null ? "" : $"{1e3 * it.Milliseconds:F1} µs";

    private Measurement? OfTorch(string name, OutputMemory memory) => Find(shape.Logits, Contender.Libtorch, name, memory);

    private Measurement? Ours(string name, OutputMemory memory) => Find(shape.Logits, Contender.TorchSharp, name, memory);

    private Measurement? Find(Shape of, string library, string name, OutputMemory memory) => measurements.FirstOrDefault(
        it => it.Shape == of && it.Library == library && it.Name == name && it.Memory == memory);
}
