using System.Runtime.CompilerServices;

namespace PtxLosses.Simd;

/// <summary>How elements of a type, logits or weights, get into registers of floats, and gradients out of them.</summary>
internal unsafe interface IElementFormat<TElement>
    where TElement : unmanaged
{
    /// <summary>What a loaded lane is to be multiplied by to be the logit: a power of 2.</summary>
    static abstract float Scale { get; }

    /// <summary>
    /// Down to here, a row's largest logit is a reference that the float kernels can work with; below, and above
    /// <see cref="Highest"/>, a row is worked on in double.
    /// </summary>
    static abstract float Lowest { get; }

    static abstract float Highest { get; }

    /// <summary>What −inf is loaded as, times <see cref="Scale"/>.</summary>
    static abstract float MinusInfinity { get; }

    /// <summary>
    /// Whether a negative NaN is loaded as a number below <see cref="MinusInfinity"/>, and has to be looked for.
    /// </summary>
    static abstract bool HidesNaN { get; }

    /// <summary>Whether one of as many logits as four registers hold is such a NaN.</summary>
    static abstract bool HideNaN<TVector>(TElement* address)
        where TVector : struct, ISimdFloat<TVector>;

    static abstract TVector Load<TVector>(TElement* address)
        where TVector : struct, ISimdFloat<TVector>;

    /// <summary>The numbers that were loaded, infinities and NaN included.</summary>
    static abstract TVector Value<TVector>(TVector loaded)
        where TVector : struct, ISimdFloat<TVector>;

    /// <summary>Two registers of logits, which may be dealt out to both by turns.</summary>
    static abstract void LoadTwo<TVector>(TElement* address, out TVector first, out TVector second)
        where TVector : struct, ISimdFloat<TVector>;

    /// <summary>Rounds each lane to nearest, once.</summary>
    static abstract void Store<TVector>(TVector vector, TElement* address)
        where TVector : struct, ISimdFloat<TVector>;

    /// <summary>
    /// As <see cref="Store"/>, past the caches where a register is stored as wide as it is; the address must be aligned to what
    /// is stored. Registers that are narrowed to 16 bits go through the caches.
    /// </summary>
    static abstract void StoreNonTemporal<TVector>(TVector vector, TElement* address)
        where TVector : struct, ISimdFloat<TVector>;
}

/// <summary>Floats are loaded as they are.</summary>
internal readonly unsafe struct FloatFormat : IElementFormat<float>
{
    public static float Scale => 1;

    public static float Lowest => float.MinValue;

    public static float Highest => float.MaxValue;

    public static float MinusInfinity => float.NegativeInfinity;

    public static bool HidesNaN => false;

    public static bool HideNaN<TVector>(float* address)
        where TVector : struct, ISimdFloat<TVector>
        => false;

    public static TVector Load<TVector>(float* address)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.Load(address);

    public static TVector Value<TVector>(TVector loaded)
        where TVector : struct, ISimdFloat<TVector>
        => loaded;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TVector>(float* address, out TVector first, out TVector second)
        where TVector : struct, ISimdFloat<TVector>
    {
        first = TVector.Load(address);
        second = TVector.Load(address + TVector.Count);
    }

    public static void Store<TVector>(TVector vector, float* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.Store(address);

    public static void StoreNonTemporal<TVector>(TVector vector, float* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.StoreNonTemporal(address);
}

/// <summary>A <see cref="BFloat16"/> is the upper half of a float.</summary>
internal readonly unsafe struct BFloat16Format : IElementFormat<BFloat16>
{
    public static float Scale => 1;

    public static float Lowest => float.MinValue;

    public static float Highest => float.MaxValue;

    public static float MinusInfinity => float.NegativeInfinity;

    public static bool HidesNaN => false;

    public static bool HideNaN<TVector>(BFloat16* address)
        where TVector : struct, ISimdFloat<TVector>
        => false;

    public static TVector Load<TVector>(BFloat16* address)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.LoadUpperHalves((ushort*)address);

    public static TVector Value<TVector>(TVector loaded)
        where TVector : struct, ISimdFloat<TVector>
        => loaded;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TVector>(BFloat16* address, out TVector first, out TVector second)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.LoadUpperHalfPairs((float*)address, out first, out second);

    public static void Store<TVector>(TVector vector, BFloat16* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.StoreUpperHalves((ushort*)address);

    public static void StoreNonTemporal<TVector>(TVector vector, BFloat16* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.StoreUpperHalves((ushort*)address);
}

/// <summary>
/// The bits of a <see cref="Half"/>, moved to where a float has its exponent and fraction, are the Half times 2⁻¹¹², subnormal or
/// not: the factor is left to a multiplication that follows anyway. Infinities come out as ±65,536, NaN as what is beyond.
/// </summary>
internal readonly unsafe struct HalfFormat : IElementFormat<Half>
{
    public static float Scale => 5.192296858534828e33f;

    public static float Lowest => -60_000;

    public static float Highest => 65_504;

    public static float MinusInfinity => -65_536;

    public static bool HidesNaN => true;

    public static bool HideNaN<TVector>(Half* address)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.AnyMinusNaN((float*)address, (float*)address + TVector.Count);

    public static TVector Load<TVector>(Half* address)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.LoadHalfBits((short*)address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Value<TVector>(TVector loaded)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.RestoreSpecialHalves(TVector.Multiply(loaded, Scale));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadTwo<TVector>(Half* address, out TVector first, out TVector second)
        where TVector : struct, ISimdFloat<TVector>
        => TVector.LoadHalfBitPairs((float*)address, out first, out second);

    public static void Store<TVector>(TVector vector, Half* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.StoreHalf((ushort*)address);

    public static void StoreNonTemporal<TVector>(TVector vector, Half* address)
        where TVector : struct, ISimdFloat<TVector>
        => vector.StoreHalf((ushort*)address);
}
