using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Simd;

/// <summary>Conversions of the element types that are supported.</summary>
internal static class ElementConvert
{
    /// <summary>Whether elements may be of this type.</summary>
    public static bool Supports<TElement>()
        => typeof(TElement) == typeof(float) || typeof(TElement) == typeof(double) || typeof(TElement) == typeof(Half) || typeof(TElement) == typeof(BFloat16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ToDouble<TElement>(TElement value)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            return Unsafe.BitCast<TElement, float>(value);
        }

        if (typeof(TElement) == typeof(Half))
        {
            return (double)Unsafe.BitCast<TElement, Half>(value);
        }

        return typeof(TElement) == typeof(BFloat16)
            ? (double)Unsafe.BitCast<TElement, BFloat16>(value)
            : Unsafe.BitCast<TElement, double>(value);
    }

    /// <summary>Rounds to nearest, once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TElement FromDouble<TElement>(double value)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            return Unsafe.BitCast<float, TElement>((float)value);
        }

        if (typeof(TElement) == typeof(Half))
        {
            return Unsafe.BitCast<Half, TElement>((Half)value);
        }

        return typeof(TElement) == typeof(BFloat16)
            ? Unsafe.BitCast<BFloat16, TElement>((BFloat16)value)
            : Unsafe.BitCast<double, TElement>(value);
    }

    /// <summary>How many elements are −inf, which has one pattern of bits in every type.</summary>
    public static int CountMasked<TElement>(ReadOnlySpan<TElement> row)
        where TElement : unmanaged
    {
        TElement masked = FromDouble<TElement>(double.NegativeInfinity);
        if (Unsafe.SizeOf<TElement>() == sizeof(ushort))
        {
            return MemoryMarshal.Cast<TElement, ushort>(row).Count(Unsafe.BitCast<TElement, ushort>(masked));
        }

        return Unsafe.SizeOf<TElement>() == sizeof(uint)
            ? MemoryMarshal.Cast<TElement, uint>(row).Count(Unsafe.BitCast<TElement, uint>(masked))
            : MemoryMarshal.Cast<TElement, ulong>(row).Count(Unsafe.BitCast<TElement, ulong>(masked));
    }
}
