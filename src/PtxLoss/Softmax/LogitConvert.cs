using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Softmax;

/// <summary>Conversions of logits, for the element types that are supported.</summary>
internal static class LogitConvert
{
    /// <summary>Whether logits may be of this type.</summary>
    public static bool Supports<TLogit>()
        => typeof(TLogit) == typeof(float) || typeof(TLogit) == typeof(double) || typeof(TLogit) == typeof(Half) || typeof(TLogit) == typeof(BFloat16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ToDouble<TLogit>(TLogit value)
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(float))
        {
            return Unsafe.BitCast<TLogit, float>(value);
        }

        if (typeof(TLogit) == typeof(Half))
        {
            return (double)Unsafe.BitCast<TLogit, Half>(value);
        }

        return typeof(TLogit) == typeof(BFloat16)
            ? (double)Unsafe.BitCast<TLogit, BFloat16>(value)
            : Unsafe.BitCast<TLogit, double>(value);
    }

    /// <summary>Rounds to nearest, once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLogit FromDouble<TLogit>(double value)
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(float))
        {
            return Unsafe.BitCast<float, TLogit>((float)value);
        }

        if (typeof(TLogit) == typeof(Half))
        {
            return Unsafe.BitCast<Half, TLogit>((Half)value);
        }

        return typeof(TLogit) == typeof(BFloat16)
            ? Unsafe.BitCast<BFloat16, TLogit>((BFloat16)value)
            : Unsafe.BitCast<double, TLogit>(value);
    }

    /// <summary>How many of the logits are −inf, which has one pattern of bits in every type.</summary>
    public static int CountMasked<TLogit>(ReadOnlySpan<TLogit> row)
        where TLogit : unmanaged
    {
        TLogit masked = FromDouble<TLogit>(double.NegativeInfinity);
        if (Unsafe.SizeOf<TLogit>() == sizeof(ushort))
        {
            return MemoryMarshal.Cast<TLogit, ushort>(row).Count(Unsafe.BitCast<TLogit, ushort>(masked));
        }

        return Unsafe.SizeOf<TLogit>() == sizeof(uint)
            ? MemoryMarshal.Cast<TLogit, uint>(row).Count(Unsafe.BitCast<TLogit, uint>(masked))
            : MemoryMarshal.Cast<TLogit, ulong>(row).Count(Unsafe.BitCast<TLogit, ulong>(masked));
    }
}
