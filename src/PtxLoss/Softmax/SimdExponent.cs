using System.Runtime.CompilerServices;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>An <see cref="AffineExponent"/> in registers.</summary>
internal readonly struct SimdExponent<TVector, TLogit, TFormat, TCaps>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, IElementFormat<TLogit>
    where TCaps : struct, IFlag
{
    /// <summary>Half of what is between the lowest Half and the bits of −inf.</summary>
    private const float HalfStep = 16;

    private readonly TVector _minusOffset;
    private readonly TVector _rate;
    private readonly TVector _rateRest;
    private readonly TVector _maskBound;
    private readonly TVector _amplitude;
    private readonly TVector _tanhRatio;
    private readonly TVector _highest;
    private readonly TVector _one;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public SimdExponent(in AffineExponent exponent)
    {
        _minusOffset = TVector.Create(-exponent.Offset);
        _rate = TVector.Create(TVector.Fuses ? exponent.Rate * TFormat.Scale : exponent.Rate);
        if (typeof(TCaps) == typeof(On))
        {
            _rateRest = TVector.Create(exponent.RateRest);
            _maskBound = TVector.Create(
                float.IsFinite(TFormat.MinusInfinity) ? (TFormat.MinusInfinity + HalfStep) / TFormat.Scale : float.MinValue);
            _amplitude = TVector.Create(exponent.Amplitude);
            _tanhRatio = TVector.Create(exponent.TanhRatio);
            _one = TVector.Create(1);
            _highest = TVector.Create(MathF.Min(100, 118 - MathF.Log2(exponent.TanhRatio)));
        }
    }

    /// <summary>
    /// Below this, u is that of a −inf logit, of a NaN that looks like one, or of a logit that float cannot tell from them.
    /// </summary>
    public static float MaskBound(in AffineExponent exponent)
        => float.IsFinite(TFormat.MinusInfinity)
            ? exponent.ApproximateU(TFormat.MinusInfinity + HalfStep, TVector.Fuses)
            : float.MinValue;

    /// <summary>Below this, u is that of a NaN, if the format hides them.</summary>
    public static float NaNBound(in AffineExponent exponent)
        => exponent.ApproximateU(TFormat.MinusInfinity - (2 * HalfStep), TVector.Fuses);

    /// <summary>u of what was loaded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector U(TVector loaded)
    {
        if (typeof(TCaps) == typeof(On))
        {
            TVector u = TVector.Fuses ? TVector.MultiplyAdd(loaded, _rate, _minusOffset) : Shift(loaded) * _rate;
            return TVector.MultiplyAdd(u, _rateRest, u);
        }

        return TVector.Fuses ? TVector.MultiplyAdd(loaded, _rate, _minusOffset) : Shift(loaded) * _rate;
    }

    /// <summary>x − m, where nothing is fused.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector Shift(TVector loaded)
        => (TFormat.Scale == 1 ? loaded : TVector.Multiply(loaded, TFormat.Scale)) + _minusOffset;

    /// <summary>t of u, the u of what was loaded: a small cap makes −inf of a finite logit's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector T(TVector loaded, TVector u)
    {
        if (typeof(TCaps) == typeof(Off))
        {
            return u;
        }

        TVector numerator = Split(u, out TVector denominator, out _);
        return TVector.MinusInfinityWhereLess(loaded, _maskBound, numerator / denominator);
    }

    /// <summary>As the other, with cap'(x): 4·R·E / (R·E + 1)², the derivative of the hyperbolic tangent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector T(TVector loaded, TVector u, out TVector derivative)
    {
        if (typeof(TCaps) == typeof(Off))
        {
            derivative = default;
            return u;
        }

        // A quotient as in the other, whose bits these must be.
        TVector numerator = Split(u, out TVector denominator, out TVector ratio);
        derivative = TVector.Multiply(ratio, 4) / (denominator * denominator);
        return TVector.MinusInfinityWhereLess(loaded, _maskBound, numerator / denominator);
    }

    /// <summary>
    /// u, as far as R·E is in the range of float: without runs, the reference may be far below a logit that is beyond the cap.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Bounded(TVector u) => typeof(TCaps) == typeof(Off) ? u : TVector.Min(_highest, u);

    /// <summary>log2(e)·s·c·(1 + T)·(E − 1), R·E + 1 and R·E, of E = n'·(1 + r): little is waited for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector Split(TVector u, out TVector denominator, out TVector ratio)
    {
        TVector r = Exp2<TVector>.Split(u, _one, out TVector powerOf2);
        TVector amplitude = _amplitude * powerOf2, tanhRatio = _tanhRatio * powerOf2;
        ratio = TVector.MultiplyAdd(tanhRatio, r, tanhRatio);
        denominator = TVector.MultiplyAdd(tanhRatio, r, tanhRatio + _one);
        return TVector.MultiplyAdd(amplitude, r, amplitude - _amplitude); // nothing cancels: n' is 1 where E is near 1
    }
}

/// <summary>
/// The logits that arithmetic on floats can work relative to, from <see cref="Lowest"/> to <see cref="Highest"/>.
/// </summary>
internal readonly struct ReferenceRange
{
    /// <summary>The range for a format and a transform; empty where the transform's constants are beyond floats.</summary>
    public static ReferenceRange For<TLogit, TFormat>(in LogitTransform transform)
        where TLogit : unmanaged
        where TFormat : struct, IElementFormat<TLogit>
    {
        // A float that is rounded, as Offset is, is off by half a unit or less up to here: by as much the powers of 2 may exceed
        // 1.
        const double largest = 1 << 24;
        const double lowestConstant = 1e-15, highestConstant = 1e30;
        double cap = transform.SoftCap, scale = transform.Scale, furthest = largest / AffineExponent.Log2E / scale;
        double rate = (cap == 0 ? scale : 2 / cap) * AffineExponent.Log2E * TFormat.Scale, lowest = TFormat.Lowest;
        bool isNormal = scale is >= lowestConstant and <= highestConstant && rate <= float.MaxValue;
        if (cap != 0)
        {
            const double mostCaps = 20; // further out, what is left of a cap's 1 − |T| is below the range of float
            furthest = Math.Min(furthest, mostCaps * cap);
            isNormal &= cap is >= lowestConstant and <= highestConstant
                && cap * scale is >= lowestConstant and <= highestConstant;
        }
        else if (float.IsFinite(TFormat.MinusInfinity))
        {
            const double none = 140; // e to minus this is 0 in float: the exponential of a mask, however small the scale
            lowest = Math.Max(lowest, TFormat.MinusInfinity + (none / scale));
        }

        // What stands for +inf, or a NaN, must exceed the reference by so much that it is seen.
        double highest = float.IsFinite(TFormat.MinusInfinity)
            ? Math.Min(TFormat.Highest, -TFormat.MinusInfinity - (2 / scale))
            : TFormat.Highest;
        return new() { Lowest = isNormal ? Math.Max(lowest, -furthest) : double.NaN, Highest = Math.Min(highest, furthest) };
    }

    public double Lowest { get; private init; }

    public double Highest { get; private init; }

    public bool Holds(double reference) => reference >= Lowest && reference <= Highest;
}
