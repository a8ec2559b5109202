using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Simd;

/// <summary>What is done with each width of vectors.</summary>
internal interface ISimdVisitor
{
    void Visit<TVector>()
        where TVector : struct, ISimdFloat<TVector>;
}

/// <summary>The one list of the widths that code is written for once.</summary>
internal static class SimdWidths
{
    /// <summary>Visits the widths that this machine has in hardware, best first.</summary>
    public static void Visit<TVisitor>(ref TVisitor visitor)
        where TVisitor : ISimdVisitor
    {
        // AVX-512: twice the width, and one instruction each for the fraction and for the scaling.
        if (Vector512.IsHardwareAccelerated && Avx512DQ.IsSupported)
        {
            visitor.Visit<SimdFloat512>();
        }

        if (Vector256.IsHardwareAccelerated)
        {
            visitor.Visit<SimdFloat256>();
        }

        if (Vector128.IsHardwareAccelerated)
        {
            visitor.Visit<SimdFloat128>();
        }
    }
}
