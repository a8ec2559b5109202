using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Internals;

/// <summary>The one place that decides which kernel runs.</summary>
internal static class RowKernels
{
    /// <summary>The kernels that can run on this machine for an element type, best first; none if the type is not supported.</summary>
    public static IReadOnlyList<RowKernel<TLogit>> Available<TLogit>()
        where TLogit : unmanaged
    {
        List<object> kernels = [];

        // AVX-512: twice the width, and one instruction each for the fraction and for the scaling.
        if (Vector512.IsHardwareAccelerated && Avx512DQ.IsSupported)
        {
            kernels.Add(new VectorKernel<FloatVector512>());
        }

        if (Vector256.IsHardwareAccelerated)
        {
            kernels.Add(new VectorKernel<FloatVector256>());
        }

        if (Vector128.IsHardwareAccelerated)
        {
            kernels.Add(new VectorKernel<FloatVector128>());
        }

        // TensorPrimitives runs on every machine, with vectors and without, and for double it is all there is.
        kernels.Add(new TensorPrimitivesKernel<float>());
        kernels.Add(new TensorPrimitivesKernel<double>());
        return [.. kernels.OfType<RowKernel<TLogit>>()];
    }

    /// <summary>The kernel that runs for logits of this type.</summary>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public static RowKernel<TLogit> For<TLogit>(ReadOnlySpan<TLogit> logits)
        where TLogit : unmanaged
        => Cache<TLogit>.Best
            ?? throw new ArgumentException(
                $"logits of type {typeof(TLogit)} are not supported; float and double are.", nameof(logits));

    private static class Cache<TLogit>
        where TLogit : unmanaged
    {
        public static readonly RowKernel<TLogit>? Best = Available<TLogit>() is [var best, ..] ? best : null;
    }
}
