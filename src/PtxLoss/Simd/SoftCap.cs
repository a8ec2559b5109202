using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxLosses.Simd;

/// <summary>x' = c·tanh(x/c) in double, to a few ulps of itself. Infinite logits stay as they are, NaN stays NaN.</summary>
/// <param name="cap">c, finite and above 0.</param>
/// <remarks>
/// tanh(y) = (1 − e^−2y) / (1 + e^−2y) for y ≥ 0, with e^−2y − 1 computed as such: near 0 the difference would lose its digits.
/// </remarks>
internal readonly struct SoftCap(double cap)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Of(Vector256<double> x)
    {
        Vector256<double> power = DoubleExp.ExpMinus1(Vector256.Abs(x) * Vector256.Create(-2.0) / Vector256.Create(cap));
        Vector256<double> capped = Vector256.Create(-cap) * (power / (power + Vector256.Create(2.0)));
        return Vector256.ConditionalSelect(IsInfinite(x), x, Vector256.CopySign(capped, x));
    }

    public double Of(double x) => Of(Vector256.Create(x)).ToScalar();

    /// <summary>Replaces each logit by what it becomes.</summary>
    public void Apply(Span<double> logits)
    {
        int i = 0;
        for (; i <= logits.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Of(Vector256.Create<double>(logits[i..])).CopyTo(logits[i..]);
        }

        for (; i < logits.Length; i++)
        {
            logits[i] = Of(logits[i]);
        }
    }

    /// <summary>dx'/dx = 1 − (x'/c)², from x'; 1 for infinite logits, which are not capped.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Slope(Vector256<double> capped)
    {
        Vector256<double> tanh = capped / Vector256.Create(cap);
        return Vector256.ConditionalSelect(
            IsInfinite(capped), Vector256<double>.One, Vector256<double>.One - (tanh * tanh));
    }

    public double Slope(double capped) => Slope(Vector256.Create(capped)).ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> IsInfinite(Vector256<double> x)
        => Vector256.Equals(Vector256.Abs(x), Vector256.Create(double.PositiveInfinity));
}
