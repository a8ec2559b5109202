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
            AddVectorKernels<FloatVector512>(kernels);
        }

        if (Vector256.IsHardwareAccelerated)
        {
            AddVectorKernels<FloatVector256>(kernels);
        }

        if (Vector128.IsHardwareAccelerated)
        {
            AddVectorKernels<FloatVector128>(kernels);
        }

        // TensorPrimitives runs on every machine, with vectors and without, and for double it is all there is.
        kernels.Add(new DoubleKernel<float>());
        kernels.Add(new DoubleKernel<double>());
        kernels.Add(new DoubleKernel<Half>());
        kernels.Add(new DoubleKernel<BFloat16>());
        return [.. kernels.OfType<RowKernel<TLogit>>()];
    }

    private static void AddVectorKernels<TVector>(List<object> kernels)
        where TVector : struct, IFloatVector<TVector>
    {
        kernels.Add(new VectorKernel<TVector, float, FloatFormat>());
        kernels.Add(new VectorKernel<TVector, Half, HalfFormat>());
        kernels.Add(new VectorKernel<TVector, BFloat16, BFloat16Format>());
    }

    /// <summary>The kernel that runs for logits of this type.</summary>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public static RowKernel<TLogit> For<TLogit>(ReadOnlySpan<TLogit> logits)
        where TLogit : unmanaged
        => Cache<TLogit>.Best
            ?? throw new ArgumentException(
                $"logits of type {typeof(TLogit)} are not supported; float, double, Half and PtxLosses.BFloat16 are.", nameof(logits));

    private static class Cache<TLogit>
        where TLogit : unmanaged
    {
        public static readonly RowKernel<TLogit>? Best = Available<TLogit>() is [var best, ..] ? best : null;
    }
}
