using System.Text;

namespace PtxLosses.Benchmarks;

/// <summary>How far the library is from the limits, and the others from the library.</summary>
internal sealed class RatioTable(IReadOnlyList<Measurement> measurements, Shape shape, int threads)
{
    private readonly StringBuilder _markdown = new(
        "| What | Shape | Threads | PtxLoss | Against | | Ratio |\n| --- | --- | --: | --: | --- | --: | --: |\n");

    public string ToMarkdown(double bytesOfSmallCall)
    {
        AddShares("Forward", Ours(Names.Compute), Bare(Names.BareForward), Limit(Names.ReadLimit));
        AddShares(
            "Forward, one thread", Ours(Names.Compute, 1), Bare(Names.BareForward, 1), Limit(Names.ReadLimit, 1));
        AddShares("Gradient in place", Ours(Names.InPlace), Bare(Names.BareInPlace), Limit(Names.MultiplyLimit));
        AddShares("Gradient to another buffer", Ours(Names.ToOther), Bare(Names.BareToOther), Limit(Names.CopyLimit));
        AddShares("Forward, AVX2 only", Ours(Names.Avx2), Bare(Names.BareForwardAvx2), Limit(Names.ReadLimit));

        Shape inCache = RatiosCommand.InCache(shape);
        Measurement oursInCache = measurements.Last(it => it.By == Contender.PtxLoss && it.Shape == inCache);
        AddShare(
            "Forward, in cache, bare loop",
            oursInCache,
            measurements.Last(it => it.By == Contender.BareLoop && it.Shape == inCache));
        AddTimes(
            "Forward, in cache",
            oursInCache,
            Fastest(it => it.IsPeer && it.Shape == inCache && it.Threads == 1));
        const OutputMemory fresh = OutputMemory.Fresh, reused = OutputMemory.Reused;
        AddTimes("Forward, best peer, reused memory", Ours(Names.Compute), BestPeer(Work.Forward, reused));
        AddTimes("Loss and gradient, best peer, reused memory", Ours(Names.ToOther), BestPeer(Work.Gradient, reused));
        AddTimes("Forward, best peer, fresh memory", OfTensors(Work.Forward), BestPeer(Work.Forward, fresh));
        AddTimes("Loss and gradient, best peer, fresh memory", OfTensors(Work.Gradient), BestPeer(Work.Gradient, fresh));

        Measurement[] fewRows =
        [
            .. measurements.Where(it => it.Shape == RatiosCommand.FewRows).OrderByDescending(it => it.Threads),
        ];
        AddTimes("Forward, few rows, against one thread", fewRows[0], fewRows[^1]);

        Measurement smallCall = measurements.First(it => it.Shape == SmallCall.Shape);
        _markdown.Append($"| One call | {smallCall.Shape} | 1 | {smallCall.Milliseconds * 1e6:F0} ns "
            + $"| allocated | {bytesOfSmallCall:F0} bytes | |\n");
        return _markdown.ToString();
    }

    private Measurement? BestPeer(Work work, OutputMemory memory)
        => Fastest(it => it.IsPeer && it.Work == work && it.Memory == memory && it.Shape == shape && it.Threads == threads);

    /// <summary>The library on torch's tensors, its gradient in fresh memory.</summary>
    private Measurement? OfTensors(Work work) => measurements.FirstOrDefault(
        it => it.By == Contender.TorchSharp && it.Memory == OutputMemory.Fresh && it.Work == work);

    private Measurement? Ours(string name, int? on = null)
        => measurements.FirstOrDefault(
            it => it.By == Contender.PtxLoss && it.Name == name && it.Shape == shape && it.Threads == (on ?? threads));

    /// <summary>The faster of the orders that a limit was measured in.</summary>
    private Measurement? Limit(string name, int? on = null)
        => Fastest(it => it.By == Contender.Limit && it.Name.StartsWith(name, StringComparison.Ordinal) && it.Shape == shape
            && it.Threads == (on ?? threads));

    private Measurement? Fastest(Func<Measurement, bool> among) => measurements.Where(among).MinBy(it => it.Milliseconds);

    private Measurement? Bare(string name, int? on = null)
        => measurements.FirstOrDefault(it => it.By == Contender.BareLoop && it.Name == name && it.Shape == shape
            && it.Threads == (on ?? threads));

    /// <summary>A row for the bare loop and one for the limit of the memory.</summary>
    private void AddShares(string what, Measurement? ours, Measurement? bare, Measurement? limit)
    {
        AddShare(what, ours, limit);
        AddShare($"{what}, bare loop", ours, bare);
    }

    /// <summary>A row whose ratio is the library's share of a limit's rate.</summary>
    private void AddShare(string what, Measurement? ours, Measurement? other) => Add(what, ours, other, "P0");

    /// <summary>A row whose ratio is how many times as long the other takes.</summary>
    private void AddTimes(string what, Measurement? ours, Measurement? other) => Add(what, ours, other, "0.0×");

    private void Add(string what, Measurement? ours, Measurement? other, string format)
    {
        if (ours is not null && other is not null)
        {
            string ratio = (other.Milliseconds / ours.Milliseconds).ToString(format);
            _markdown.Append($"| {what} | {ours.Shape} | {ours.Threads} | {ours.Milliseconds:F3} ms "
                + $"| {other.By}: {other.Name} | {other.Milliseconds:F3} ms | {ratio} |\n");
        }
    }
}
