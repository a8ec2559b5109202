using System.Runtime.CompilerServices;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>The last few logits of a row, or the first few of one that is not aligned: a register or less.</summary>
internal static unsafe class PartialVector<TVector, TLogit, TFormat>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, IElementFormat<TLogit>
{
    /// <summary>Behind the last stand copies of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(TLogit* address, int count)
        => count >= TVector.Count ? TFormat.Load<TVector>(address) : LoadPadded(address, count);

    /// <summary>The first lanes, and 0 behind them.</summary>
    public static TVector Clear(TVector vector, int count)
    {
        if (count >= TVector.Count)
        {
            return vector;
        }

        float* lanes = stackalloc float[TVector.Count];
        vector.Store(lanes);
        new Span<float>(lanes, TVector.Count)[count..].Clear();
        return TVector.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TVector vector, TLogit* address, int count)
    {
        if (count >= TVector.Count)
        {
            TFormat.Store(vector, address);
        }
        else
        {
            StorePart(vector, address, count);
        }
    }

    private static TVector LoadPadded(TLogit* address, int count)
    {
        TLogit* padded = stackalloc TLogit[TVector.Count];
        for (int i = 0; i < TVector.Count; i++)
        {
            padded[i] = address[Math.Min(i, count - 1)];
        }

        return TFormat.Load<TVector>(padded);
    }

    private static void StorePart(TVector vector, TLogit* address, int count)
    {
        TLogit* padded = stackalloc TLogit[TVector.Count];
        TFormat.Store(vector, padded);
        new ReadOnlySpan<TLogit>(padded, count).CopyTo(new Span<TLogit>(address, count));
    }
}
