using System.Runtime.Intrinsics;

namespace PtxLosses.Benchmarks;

/// <summary>The library, called as its users call it.</summary>
internal sealed class LibraryCalls(LossProblem problem, int threads)
{
    private readonly PtxLossOptions _options = new() { MaxDegreeOfParallelism = threads };

    /// <summary>The loss under other settings of the runtime.</summary>
    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            throw new InvalidOperationException("512-bit vectors are on: DOTNET_EnableAVX512=0 turns them off.");
        }

        LossProblem problem = LossProblem.Load(request.Shape, request.Folder);
        var library = new LibraryCalls(problem, request.Threads);
        var bareLoop = BareLoop.For(problem, request.Threads);
        yield return new(
            Work.Forward,
            OutputMemory.Reused,
            Contender.PtxLoss,
            Names.Avx2,
            () => (library.Compute() - LossProblem.RlLoss) / LossProblem.Coefficient);
        yield return new(
            Work.Forward,
            OutputMemory.Reused,
            Contender.BareLoop,
            Names.BareForwardAvx2,
            () => (bareLoop.Total() - LossProblem.RlLoss) / LossProblem.Coefficient);
    }

    public double Compute() => PtxLoss.Compute<float, int>(
        LossProblem.RlLoss,
        problem.Logits.Span,
        problem.Targets,
        problem.Shape.VocabularySize,
        LossProblem.Coefficient,
        _options).Total;

    public double ComputeWithGradient() => Compute(problem.Logits);

    /// <summary>
    /// The gradient over the logits. From the second call on these are the gradient of the call before: small numbers, none of
    /// them subnormal, which take as long as any others.
    /// </summary>
    public double ComputeWithGradientInPlace() => Compute(problem.Gradient);

    private double Compute(AlignedFloats logits) => PtxLoss.ComputeWithGradient<float, int>(
        LossProblem.RlLoss,
        logits.Span,
        problem.Targets,
        problem.Shape.VocabularySize,
        LossProblem.Coefficient,
        problem.Gradient.Span,
        _options).Total;
}

/// <summary>A call so small that little but what surrounds the arithmetic takes time.</summary>
internal sealed class SmallCall : IDisposable
{
    public static readonly Shape Shape = new(4, 8);

    private const int Calls = 10_000;

    private readonly LossProblem _problem = new(Shape);

    public SmallCall() => _problem.Check(nameof(SmallCall), Compute(), 1e-9);

    public Contender ToContender()
        => new(Work.Forward, Contender.PtxLoss, Names.Compute, Shape, Threads: 1, Contender.TurnsOf(() => Compute()));

    /// <summary>What one call allocates.</summary>
    public double AllocatedBytes()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Calls; i++)
        {
            Compute();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Calls;
    }

    public void Dispose() => _problem.Dispose();

    /// <summary>With default options, as one calls it without a thought.</summary>
    private double Compute() => PtxLoss.Compute<float, int>(
        LossProblem.RlLoss, _problem.Logits.Span, _problem.Targets, Shape.VocabularySize, LossProblem.Coefficient).Total;
}
