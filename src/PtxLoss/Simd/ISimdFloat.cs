namespace PtxLosses.Simd;

/// <summary>
/// A register of floats: the few operations that the kernels are written in, over any width. The runtime has the same idea
/// (<c>ISimdVector</c>), but keeps it internal.
/// </summary>
internal unsafe interface ISimdFloat<TSelf>
    where TSelf : struct, ISimdFloat<TSelf>
{
    /// <summary>Floats per register.</summary>
    static abstract int Count { get; }

    /// <summary>Whether <see cref="MultiplyAdd(TSelf, TSelf, TSelf)"/> rounds once.</summary>
    static abstract bool Fuses { get; }

    static abstract TSelf Create(float value);

    static abstract TSelf Load(float* address);

    /// <summary>Each number becomes the upper half of a float.</summary>
    static abstract TSelf LoadUpperHalves(ushort* address);

    /// <summary>The bits of each Half become those of a float that is 2⁻¹¹² times as large.</summary>
    static abstract TSelf LoadHalfBits(short* address);

    /// <summary>As <see cref="LoadUpperHalves"/>, twice: the first, third, … number, and the second, fourth, …</summary>
    static abstract void LoadUpperHalfPairs(float* address, out TSelf even, out TSelf odd);

    /// <summary>As <see cref="LoadHalfBits"/>, twice: the first, third, … number, and the second, fourth, …</summary>
    static abstract void LoadHalfBitPairs(float* address, out TSelf even, out TSelf odd);

    /// <summary>Infinity and NaN where a Half's bits stood for them: ±65,536 becomes ±inf, what is beyond NaN.</summary>
    static abstract TSelf RestoreSpecialHalves(TSelf halves);

    /// <summary>Whether one of the Halves in two registers is a NaN whose sign is set.</summary>
    static abstract bool AnyMinusNaN(float* first, float* second);

    void Store(float* address);

    /// <summary>Each float is rounded to nearest even to its upper half; NaN stays NaN.</summary>
    void StoreUpperHalves(ushort* address);

    /// <summary>Each float is rounded to nearest even to the bits of a Half.</summary>
    void StoreHalf(ushort* address);

    /// <summary>Writes past the caches; the address must be aligned to the register.</summary>
    void StoreNonTemporal(float* address);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator -(TSelf left, TSelf right);

    static abstract TSelf operator *(TSelf left, TSelf right);

    /// <summary>left · right + addend, rounded once where the hardware can.</summary>
    static abstract TSelf MultiplyAdd(TSelf left, TSelf right, TSelf addend);

    static abstract TSelf operator /(TSelf left, TSelf right);

    // The same with constants: each call that the compiler must inline counts, and there are hundreds in a loop.
    static abstract TSelf Multiply(TSelf left, float right);

    static abstract TSelf MultiplyAdd(TSelf left, TSelf right, float addend);

    static abstract TSelf MultiplyAdd(TSelf left, float right, float addend);

    /// <summary>The larger of each pair; <paramref name="right"/> where one is NaN or, on some hardware, NaN.</summary>
    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>The smaller of each pair; <paramref name="right"/> where one is NaN or, on some hardware, NaN.</summary>
    static abstract TSelf Min(TSelf left, TSelf right);

    /// <summary>−inf where a lane of <paramref name="value"/> is less than that of <paramref name="bound"/>.</summary>
    static abstract TSelf MinusInfinityWhereLess(TSelf value, TSelf bound, TSelf otherwise);

    /// <summary>Whether a lane is greater than the other's; NaN is not.</summary>
    static abstract bool AnyGreater(TSelf left, TSelf right);

    /// <summary>
    /// The smaller of each lane and 128, or any larger number if <see cref="ScaleByPowerOf2"/> makes infinity of it.
    /// </summary>
    static abstract TSelf AtMost128(TSelf t);

    /// <summary>Splits t, at most 128, into ⌊t⌋, for <see cref="ScaleByPowerOf2"/>, and the fraction t − ⌊t⌋.</summary>
    static abstract TSelf Split(TSelf t, out TSelf fraction);

    /// <summary>The integer nearest to each lane.</summary>
    static abstract TSelf Round(TSelf t);

    /// <summary>
    /// value · 2^whole for values in [1, 2], with <paramref name="whole"/> from <see cref="Split"/>: exactly 0 at −inf, less than
    /// 2⁻¹²⁵ below −126, +inf above 127, NaN at NaN.
    /// </summary>
    static abstract TSelf ScaleByPowerOf2(TSelf value, TSelf whole);

    /// <summary>Adds each lane, rounded to fixed point, to integers that start at 0: see <see cref="FixedPoint"/>.</summary>
    static abstract TSelf AddFixed(TSelf integers, TSelf vector);

    /// <summary>As <see cref="AddHalves"/>, of what <see cref="AddFixed"/> made.</summary>
    static abstract TSelf AddFixedHalves(TSelf integers);

    /// <summary>The lower half of the lanes plus the upper, widened to the doubles that a register holds.</summary>
    static abstract TSelf AddHalves(TSelf vector);

    /// <summary>left + right, of what <see cref="AddHalves"/> makes; all bits 0 are 0.</summary>
    static abstract TSelf AddDoubles(TSelf left, TSelf right);

    /// <summary>The sum of all doubles in a register.</summary>
    static abstract double SumOfDoubles(TSelf doubles);

    /// <summary>The largest lane.</summary>
    float Max();
}
