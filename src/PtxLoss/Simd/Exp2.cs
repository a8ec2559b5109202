using System.Runtime.CompilerServices;

namespace PtxLosses.Simd;

/// <summary>2^t of a register of floats.</summary>
/// <remarks>
/// <para>t is split into ⌊t⌋, which is added to the exponent, and the fraction f in [0, 1), whose power is a polynomial of degree
/// 5: the lowest degree whose error, 8.3e-8 of the result, is below an ulp.</para>
/// <para>As e^x, with t = x·log2(e) rounded to 2⁻²⁴ of itself and log2(e) off by 1.4e-8 of itself, the result is off by less than
/// (3 + 1.3·|x|)·2⁻²⁴ of itself where it is a normal number. A log-sum-exp takes exponentials of x − m, with m near the
/// largest logit: relative to the largest exponential, the error of all is less than 3·2⁻²⁴, for |x|·e^x is small.</para>
/// <para>0 at −inf, NaN at NaN, exactly 1 at 0; below −126 the result is less than 2⁻¹²⁵ but has few correct digits.</para>
/// </remarks>
internal readonly struct Exp2<TVector>
    where TVector : struct, ISimdFloat<TVector>
{
    // Sollya: fpminimax((2^x-1)/x, [|0,1,2,3,4,5|], [|single...|], [-0.5;0.5], relative, floating), off by 1.2e-8
    private const float D0 = 0.693147182464599609375f;
    private const float D1 = 0.24022649228572845458984375f;
    private const float D2 = 5.55036626756191253662109375e-2f;
    private const float D3 = 9.6183232963085174560546875e-3f;
    private const float D4 = 1.338789355941116809844970703125e-3f;
    private const float D5 = 1.537671196274459362030029296875e-4f;

    private readonly TVector _one;
    private readonly TVector _first;
    private readonly TVector _second;
    private readonly TVector _third;
    private readonly TVector _fourth;
    private readonly TVector _fifth;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Exp2(in Exp2Coefficients coefficients)
    {
        _one = TVector.Create(coefficients.Constant);
        _first = TVector.Create(coefficients.First);
        _second = TVector.Create(coefficients.Second);
        _third = TVector.Create(coefficients.Third);
        _fourth = TVector.Create(coefficients.Fourth);
        _fifth = TVector.Create(coefficients.Fifth);
    }

    /// <summary>2^t for t of at most 127.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Of(TVector t)
    {
        TVector whole = TVector.Split(t, out TVector f);
        TVector power = TVector.MultiplyAdd(f, _fifth, _fourth);
        power = TVector.MultiplyAdd(power, f, _third);
        power = TVector.MultiplyAdd(power, f, _second);
        power = TVector.MultiplyAdd(power, f, _first);
        power = TVector.MultiplyAdd(power, f, _one);
        return TVector.ScaleByPowerOf2(power, whole);
    }

    /// <summary>2^u as n'·(1 + r) with n' a power of 2, and 1 where u is near 0, and r off by a few ulps of itself.</summary>
    /// <param name="u">At most 127.</param>
    /// <param name="one">1: making it here would be one more call to inline.</param>
    /// <param name="powerOf2">n', 2⁻¹²⁶ at least.</param>
    /// <returns>r, in [−0.3, 0.42].</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Split(TVector u, TVector one, out TVector powerOf2)
    {
        TVector bounded = TVector.Max(TVector.Create(-126), u); // NaN passes: it is the right operand
        TVector n = TVector.Round(bounded), f = bounded - n, square = f * f;
        powerOf2 = TVector.ScaleByPowerOf2(one, n);

        // Even and odd powers side by side: one after the other, they would be waited for.
        TVector odd = TVector.MultiplyAdd(TVector.MultiplyAdd(square, D5, D3), square, D1);
        TVector even = TVector.MultiplyAdd(TVector.MultiplyAdd(square, D4, D2), square, D0);
        return TVector.MultiplyAdd(odd, square, even * f);
    }
}

/// <summary>The coefficients of the polynomial for 2^f, f in [0, 1).</summary>
/// <remarks>
/// Sollya: fpminimax(2^x, [|1,2,3,4,5|], [|single,single,single,single,single|], [2^-30;1], relative, floating, 1).
/// </remarks>
internal readonly struct Exp2Coefficients
{
    public float Constant { get; private init; }

    public float First { get; private init; }

    public float Second { get; private init; }

    public float Third { get; private init; }

    public float Fourth { get; private init; }

    public float Fifth { get; private init; }

    /// <summary>
    /// The coefficients. The compiler must not know that they are constants: it would load constants anew in each step of a loop,
    /// which takes an eighth of its time.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static Exp2Coefficients Load() => new()
    {
        Constant = 1,
        First = 0.693151295185089111328125f,
        Second = 0.24016459286212921142578125f,
        Third = 5.57995103299617767333984375e-2f,
        Fourth = 9.017490781843662261962890625e-3f,
        Fifth = 1.866945880465209484100341796875e-3f,
    };
}
