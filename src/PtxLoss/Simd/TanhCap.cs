using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PtxLosses.Simd;

/// <summary>c·tanh(x/c) in double, to a few ulps of itself. Infinities stay as they are, NaN stays NaN.</summary>
/// <param name="cap">c, finite and above 0.</param>
/// <remarks>
/// tanh(y) = (1 − e^−2y) / (1 + e^−2y) for y ≥ 0, with e^−2y − 1 computed as such: near 0 the difference would lose its digits.
/// </remarks>
internal readonly struct TanhCap(double cap)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Of(Vector256<double> x)
    {
        Vector256<double> power = DoubleExp.ExpMinus1(Vector256.Abs(x) * Vector256.Create(-2.0) / Vector256.Create(cap));
        Vector256<double> capped = Vector256.Create(-cap) * (power / (power + Vector256.Create(2.0)));
        return Vector256.ConditionalSelect(IsInfinite(x), x, Vector256.CopySign(capped, x));
    }

    public double Of(double x) => Of(Vector256.Create(x)).ToScalar();

    /// <summary>
    /// The derivative, 1 − tanh²(x/c), as 4e / (1 + e)² with e = e^(−2|x|/c), in which nothing cancels; 1 for infinities, which
    /// are not capped.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Slope(Vector256<double> x)
    {
        Vector256<double> power = DoubleExp.Exp(Vector256.Abs(x) * Vector256.Create(-2.0) / Vector256.Create(cap));
        Vector256<double> sum = power + Vector256<double>.One;
        return Vector256.ConditionalSelect(IsInfinite(x), Vector256<double>.One, Vector256.Create(4.0) * power / (sum * sum));
    }

    public double Slope(double x) => Slope(Vector256.Create(x)).ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> IsInfinite(Vector256<double> x)
        => Vector256.Equals(Vector256.Abs(x), Vector256.Create(double.PositiveInfinity));
}
