using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>An <see cref="Exponent"/> in registers.</summary>
internal readonly struct VectorExponent<TVector, TLogit, TFormat, TCaps>
    where TVector : struct, IFloatVector<TVector>
    where TLogit : unmanaged
    where TFormat : struct, ILogitFormat<TLogit>
    where TCaps : struct, IFlag
{
    private readonly TVector _minusOffset;
    private readonly TVector _rate;
    private readonly TVector _rateRest;
    private readonly TVector _maskBound;
    private readonly TVector _amplitude;
    private readonly TVector _tanhRatio;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public VectorExponent(in Exponent exponent)
    {
        _minusOffset = TVector.Create(-exponent.Offset);
        if (typeof(TCaps) == typeof(On))
        {
            _rate = TVector.Create(TVector.Fuses ? exponent.Rate * TFormat.Scale : exponent.Rate);
            _rateRest = TVector.Create(exponent.RateRest);
            _maskBound = TVector.Create(MaskBound(in exponent));
            _amplitude = TVector.Create(exponent.Amplitude);
            _tanhRatio = TVector.Create(exponent.TanhRatio);
        }
    }

    /// <summary>Whether arithmetic on floats can work relative to a logit.</summary>
    public static bool Holds(double reference, double softCap)
    {
        // Further out, what is left of a cap's 1 − |T| is below the range of float.
        const double mostCaps = 20;
        double rate = softCap == 0 ? Exponent.Log2E : 2 * Exponent.Log2E / softCap;
        return (softCap == 0 || Math.Abs(reference) <= mostCaps * softCap)
            && reference >= TFormat.Lowest
            && reference <= TFormat.Highest
            && Math.Abs(reference) * rate <= FloatFormat.Highest
            && rate * TFormat.Scale <= FloatFormat.Highest;
    }

    /// <summary>Below this, u is that of a −inf logit, or a NaN that looks like one.</summary>
    public static float MaskBound(in Exponent exponent)
    {
        const float half = 16;
        return float.IsFinite(TFormat.MinusInfinity)
            ? exponent.ApproximateU(TFormat.MinusInfinity + half, TVector.Fuses)
            : float.MinValue;
    }

    /// <summary>Below this, u is that of a NaN, if the format hides them.</summary>
    public static float NaNBound(in Exponent exponent)
    {
        const float half = 32;
        return exponent.ApproximateU(TFormat.MinusInfinity - half, TVector.Fuses);
    }

    /// <summary>u of what was loaded.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector U(TVector loaded)
    {
        if (typeof(TCaps) == typeof(On))
        {
            TVector u = TVector.Fuses ? TVector.MultiplyAdd(loaded, _rate, _minusOffset) : Shift(loaded) * _rate;
            return TVector.MultiplyAdd(u, _rateRest, u);
        }

        return TVector.Fuses
            ? TVector.MultiplyAdd(loaded, Exponent.Log2E * TFormat.Scale, _minusOffset)
            : TVector.Multiply(Shift(loaded), Exponent.Log2E);
    }

    /// <summary>x − m, where nothing is fused.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector Shift(TVector loaded)
        => (TFormat.Scale == 1 ? loaded : TVector.Multiply(loaded, TFormat.Scale)) + _minusOffset;

    /// <summary>t of u.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector T(TVector u)
    {
        if (typeof(TCaps) == typeof(Off))
        {
            return u;
        }

        TVector powerMinusOne = VectorExp<TVector>.Pow2MinusOne(u, out TVector power);
        return TVector.MinusInfinityWhereLess(u, _maskBound, _amplitude * powerMinusOne / Denominator(power));
    }

    /// <summary>t of u, and dx'/dx: 4·R·E / (R·E + 1)², the derivative of the hyperbolic tangent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector T(TVector u, out TVector derivative)
    {
        if (typeof(TCaps) == typeof(Off))
        {
            derivative = default;
            return u;
        }

        // Without runs, the reference may be far below a logit that is beyond the cap: E stays in the range of float, and so does R·E.
        const float highest = 100;
        TVector powerMinusOne = VectorExp<TVector>.Pow2MinusOne(TVector.Min(TVector.Create(highest), u), out TVector power);
        TVector inverse = TVector.Create(1) / Denominator(power);
        derivative = TVector.Multiply(_tanhRatio, 4) * power * inverse * inverse;
        return TVector.MinusInfinityWhereLess(u, _maskBound, _amplitude * powerMinusOne * inverse);
    }

    /// <summary>R·E + 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TVector Denominator(TVector power) => TVector.MultiplyAdd(power, _tanhRatio, 1);
}
