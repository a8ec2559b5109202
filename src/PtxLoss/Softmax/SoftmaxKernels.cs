using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>The one place that decides which kernel runs.</summary>
internal static class SoftmaxKernels
{
    /// <summary>The kernels that can run on this machine for an element type, best first; none if the type is not supported.</summary>
    public static IReadOnlyList<SoftmaxKernel<TLogit>> Available<TLogit>()
        where TLogit : unmanaged
    {
        List<object> kernels = [];

        // AVX-512: twice the width, and one instruction each for the fraction and for the scaling.
        if (Vector512.IsHardwareAccelerated && Avx512DQ.IsSupported)
        {
            AddVectorKernels<SimdFloat512>(kernels);
        }

        if (Vector256.IsHardwareAccelerated)
        {
            AddVectorKernels<SimdFloat256>(kernels);
        }

        if (Vector128.IsHardwareAccelerated)
        {
            AddVectorKernels<SimdFloat128>(kernels);
        }

        // TensorPrimitives runs on every machine, with vectors and without, and for double it is all there is.
        kernels.Add(new DoubleSoftmax<float>());
        kernels.Add(new DoubleSoftmax<double>());
        kernels.Add(new DoubleSoftmax<Half>());
        kernels.Add(new DoubleSoftmax<BFloat16>());
        return [.. kernels.OfType<SoftmaxKernel<TLogit>>()];
    }

    private static void AddVectorKernels<TVector>(List<object> kernels)
        where TVector : struct, ISimdFloat<TVector>
    {
        kernels.Add(new SimdSoftmax<TVector, float, FloatFormat>());
        kernels.Add(new SimdSoftmax<TVector, Half, HalfFormat>());
        kernels.Add(new SimdSoftmax<TVector, BFloat16, BFloat16Format>());
    }

    /// <summary>The kernel that runs for logits of this type.</summary>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public static SoftmaxKernel<TLogit> For<TLogit>(ReadOnlySpan<TLogit> logits)
        where TLogit : unmanaged
        => Cache<TLogit>.Best
            ?? throw new ArgumentException(
                $"logits of type {typeof(TLogit)} are not supported; float, double, Half and PtxLosses.BFloat16 are.", nameof(logits));

    private static class Cache<TLogit>
        where TLogit : unmanaged
    {
        public static readonly SoftmaxKernel<TLogit>? Best = Available<TLogit>() is [var best, ..] ? best : null;
    }
}
