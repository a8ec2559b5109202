using System.Runtime.Intrinsics;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the library, the memory's limits and whatever can do the same, all in one run, and writes <c>ratios.md</c>,
/// <c>peers.md</c> and <c>peers.csv</c>.
/// </summary>
internal static class RatiosCommand
{
    public static readonly Shape DefaultShape = new(1024, 50_304);

    /// <summary>Fewer rows than would keep an even number of threads busy to the end.</summary>
    public static readonly Shape FewRows = new(3, 128_256);

    /// <summary>As many rows of a shape as a core's cache holds.</summary>
    public static Shape InCache(Shape shape) => shape with { Tokens = 16 };

    public static void Run(Shape shape, int threads, int rounds, string[] peerCommands, ResultsFolder results)
    {
        using var problem = new LossProblem(shape);
        using var inCache = new LossProblem(InCache(shape));
        using var fewRows = new LossProblem(FewRows);
        using var peers = new Peers(problem, threads);
        OwnPeer[] own =
        [
            .. Vector512.IsHardwareAccelerated ? [new(OwnPeer.Avx2)] : Array.Empty<OwnPeer>(),
            .. OwnPeer.TorchBothWays,
            new(OwnPeer.OnnxRuntime),
            new(OwnPeer.MathNet),
        ];
        foreach (OwnPeer peer in own)
        {
            peers.Start(peer);
        }

        Array.ForEach(peerCommands, peers.Start);
        var (field, oneThread) = (new Field(problem, threads), new Field(problem, 1));
        using var smallCall = new SmallCall();
        List<Contender> contenders =
        [
            .. field.ReadLimits(),
            field.BareForward(),
            field.Compute(),
            .. field.TensorPrimitivesForward(),
            .. peers.Contenders,
            field.MultiplyLimit(),
            field.BareInPlace(),
            field.ComputeInPlace(),
            .. field.CopyLimits(),
            field.BareToOther(),
            field.ComputeToOther(),
            field.TensorPrimitivesGradient(),
            .. threads > 1 ? [.. oneThread.ReadLimits(), oneThread.BareForward(), oneThread.Compute()] : Array.Empty<Contender>(),
            new Field(inCache, 1).BareForward(),
            new Field(inCache, 1).Compute(),
            .. new Field(inCache, 1).TensorPrimitivesForward(),
            new Field(fewRows, 1).Compute(),
            .. threads > 1 ? [new Field(fewRows, threads).Compute()] : Array.Empty<Contender>(),
            smallCall.ToContender(),
        ];
        Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
        IReadOnlyList<Measurement> measurements = Measurement.Take(contenders, rounds);

        string conditions = Machine.Describe(rounds);
        string ratios = new RatioTable(measurements, shape, threads).ToMarkdown(smallCall.AllocatedBytes());
        results.Write("ratios.md", $"# Ratios of one run\n\n{conditions}\n\n{ratios}");
        string times = $"{TimesTable.Legend}\n\n{TimesTable.ToMarkdown(measurements)}";
        results.Write("peers.md", $"# Everything that was timed\n\n{conditions}\n{times}");
        results.WriteCsv("peers.csv", measurements);
    }
}
