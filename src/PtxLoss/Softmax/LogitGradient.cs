using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// What label smoothing and a soft cap make of the softmax in a gradient: (softmax − uniform)·dx'/dx. A −inf logit is not in the
/// vocabulary, so nothing is subtracted there: it keeps its softmax, which is 0, or NaN in a row that has none.
/// </summary>
/// <param name="uniform">What each logit of the vocabulary loses to smoothing.</param>
/// <param name="cap">c, or 0.</param>
internal readonly struct LogitGradient(double uniform, double cap)
{
    /// <summary>The gradients of four logits from their scaled softmax and the capped logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Of(Vector256<double> softmax, Vector256<double> capped)
    {
        Vector256<double> masked = Vector256.Equals(capped, Vector256.Create(double.NegativeInfinity));
        Vector256<double> gradient = softmax - Vector256.AndNot(Vector256.Create(uniform), masked);
        return cap == 0 ? gradient : gradient * new SoftCap(cap).Slope(capped);
    }

    /// <summary>Replaces each scaled softmax by the gradient.</summary>
    public void Apply(Span<double> softmax, ReadOnlySpan<double> capped)
    {
        int i = 0;
        for (; i <= softmax.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Of(Vector256.Create<double>(softmax[i..]), Vector256.Create(capped[i..])).CopyTo(softmax[i..]);
        }

        for (; i < softmax.Length; i++)
        {
            softmax[i] = Of(Vector256.Create(softmax[i]), Vector256.Create(capped[i])).ToScalar();
        }
    }
}
