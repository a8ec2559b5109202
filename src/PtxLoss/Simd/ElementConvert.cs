using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Simd;

/// <summary>Conversions of the element types that are supported.</summary>
internal static unsafe class ElementConvert
{
    /// <summary>Whether elements may be of this type.</summary>
    public static bool Supports<TElement>()
        => typeof(TElement) == typeof(float) || typeof(TElement) == typeof(double) || typeof(TElement) == typeof(Half)
            || typeof(TElement) == typeof(BFloat16);

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

    /// <summary>
    /// A register of elements as the floats that they are, infinities and NaN included. No more is read than them. Not for
    /// <see cref="double"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector, TElement>(TElement* address)
        where TVector : struct, ISimdFloat<TVector>
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            return TVector.Load((float*)address);
        }

        return typeof(TElement) == typeof(Half)
            ? HalfFormat.Value(HalfFormat.Load<TVector>((Half*)address))
            : BFloat16Format.Load<TVector>((BFloat16*)address);
    }

    /// <summary>Elements as the floats that they are. Not for <see cref="double"/>.</summary>
    public static void Widen<TElement>(ReadOnlySpan<TElement> source, Span<float> destination)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            MemoryMarshal.Cast<TElement, float>(source).CopyTo(destination);
        }
        else if (typeof(TElement) == typeof(Half))
        {
            TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<TElement, Half>(source), destination);
        }
        else
        {
            Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination)[..source.Length];
            TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<TElement, ushort>(source), bits);
            TensorPrimitives.ShiftLeft(bits, 16, bits);
        }
    }

    /// <summary>Rounds to nearest even, once. Not for <see cref="double"/>.</summary>
    public static void Narrow<TElement>(ReadOnlySpan<float> source, Span<TElement> destination)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            source.CopyTo(MemoryMarshal.Cast<TElement, float>(destination));
        }
        else if (typeof(TElement) == typeof(Half))
        {
            TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<TElement, Half>(destination));
        }
        else
        {
            NarrowToBFloat16(source, MemoryMarshal.Cast<TElement, BFloat16>(destination));
        }
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

    /// <summary>Four at a time, which every machine can, and then one by one.</summary>
    private static void NarrowToBFloat16(ReadOnlySpan<float> source, Span<BFloat16> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        fixed (float* from = source)
        fixed (BFloat16* to = destination)
        {
            for (; i <= source.Length - SimdFloat128.Count; i += SimdFloat128.Count)
            {
                BFloat16Format.Store(SimdFloat128.Load(from + i), to + i);
            }
        }

        for (; i < source.Length; i++)
        {
            destination[i] = (BFloat16)source[i];
        }
    }
}
