using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>Conversions of single logits, for the element types that are supported.</summary>
internal static class Logit
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ToDouble<TLogit>(TLogit value)
        where TLogit : unmanaged
        => typeof(TLogit) == typeof(float) ? Unsafe.BitCast<TLogit, float>(value) : Unsafe.BitCast<TLogit, double>(value);

    /// <summary>Rounds to nearest, once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLogit FromDouble<TLogit>(double value)
        where TLogit : unmanaged
        => typeof(TLogit) == typeof(float) ? Unsafe.BitCast<float, TLogit>((float)value) : Unsafe.BitCast<double, TLogit>(value);
}
