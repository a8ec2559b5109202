using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>The one place that decides which kernel runs.</summary>
internal static class SoftmaxKernels
{
    /// <summary>
    /// The kernels that can run on this machine for an element type, best first; none if the type is not supported.
    /// </summary>
    public static IReadOnlyList<SoftmaxKernel<TLogit>> Available<TLogit>()
        where TLogit : unmanaged
    {
        var kernels = new Kernels<TLogit>([]);
        if (!ElementConvert.Supports<TLogit>())
        {
            return [];
        }

        if (typeof(TLogit) != typeof(double))
        {
            SimdWidths.Visit(ref kernels);
        }

        kernels.List.Add(new DoubleSoftmax<TLogit>()); // on machines without vectors, and for double, it is all there is
        return kernels.List;
    }

    /// <summary>The kernel that runs for logits of this type.</summary>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public static SoftmaxKernel<TLogit> For<TLogit>(ReadOnlySpan<TLogit> logits)
        where TLogit : unmanaged
        => Cache<TLogit>.Best
            ?? throw new ArgumentException(
                $"logits of type {typeof(TLogit)} are not supported; float, double, Half and PtxLosses.BFloat16 are.",
                nameof(logits));

    private static class Cache<TLogit>
        where TLogit : unmanaged
    {
        public static readonly SoftmaxKernel<TLogit>? Best = Available<TLogit>() is [var best, ..] ? best : null;
    }

    private readonly record struct Kernels<TLogit>(List<SoftmaxKernel<TLogit>> List) : ISimdVisitor
        where TLogit : unmanaged
    {
        public void Visit<TVector>()
            where TVector : struct, ISimdFloat<TVector>
        {
            object kernel = typeof(TLogit) == typeof(float) ? new SimdSoftmax<TVector, float, FloatFormat>()
                : typeof(TLogit) == typeof(Half) ? new SimdSoftmax<TVector, Half, HalfFormat>()
                : new SimdSoftmax<TVector, BFloat16, BFloat16Format>();
            List.Add((SoftmaxKernel<TLogit>)kernel);
        }
    }
}
