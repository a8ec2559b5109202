using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PtxLosses.Internals;

/// <summary>
/// The sums of a short row, in double throughout. Exponentials in float leave a loss off by some 1e-8, which shows in the sixth
/// digit of a short list, where nothing averages it out, and double costs nothing worth saving there.
/// </summary>
internal static class ShortRows
{
    /// <summary>The longest row that counts as short.</summary>
    public const int MaxLength = 256;

    public static void Reduce<TLogit>(ReadOnlySpan<TLogit> row, RowDetails details, out RowSums sums)
        where TLogit : unmanaged
    {
        double max = Max(row);

        // At least the lowest finite number: a row of only −inf has the sum 0, as anywhere else.
        double reference = Math.Max(max, double.MinValue);
        Vector256<double> sum = default, weightedSum = default;
        for (int i = 0; i < row.Length; i += Vector256<double>.Count)
        {
            Vector256<double> shift = Load(row, i) - Vector256.Create(reference);
            Vector256<double> exponential = Vector256.Exp(shift);
            sum += exponential;
            if ((details & RowDetails.Entropy) == RowDetails.Entropy)
            {
                weightedSum += Vector256.Max(shift, Vector256.Create((double)RowSums.LowestShift)) * exponential;
            }
        }

        RowSums.Start(out sums, reference);
        sums.Sum = Vector256.Sum(sum);
        sums.WeightedSum = Vector256.Sum(weightedSum);
        sums.Max = max;
        sums.ArgMax = (details & RowDetails.ArgMax) == RowDetails.ArgMax ? IndexOf(row, max) : 0;
    }

    /// <summary>The largest logit, or NaN if there is one.</summary>
    private static double Max<TLogit>(ReadOnlySpan<TLogit> row)
        where TLogit : unmanaged
    {
        Vector256<double> lanes = Load(row, 0);
        for (int i = Vector256<double>.Count; i < row.Length; i += Vector256<double>.Count)
        {
            lanes = Vector256.Max(lanes, Load(row, i));
        }

        return Math.Max(Math.Max(lanes[0], lanes[1]), Math.Max(lanes[2], lanes[3]));
    }

    private static int IndexOf<TLogit>(ReadOnlySpan<TLogit> row, double value)
        where TLogit : unmanaged
    {
        int i = 0;
        while (!Logit.ToDouble(row[i]).Equals(value) && Logit.ToDouble(row[i]) != value)
        {
            i++;
        }

        return i;
    }

    /// <summary>The logits from <paramref name="start"/> on; behind the last stands −inf, which adds 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Load<TLogit>(ReadOnlySpan<TLogit> row, int start)
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(float) && row.Length - start >= Vector256<double>.Count)
        {
            return Vector256.WidenLower(Vector128.Create<float>(MemoryMarshal.Cast<TLogit, float>(row).Slice(start, 4)).ToVector256Unsafe());
        }

        // Not through memory: a vector read from what was just written one by one waits for the writes.
        return Vector256.Create(Lane(row, start), Lane(row, start + 1), Lane(row, start + 2), Lane(row, start + 3));

        static double Lane(ReadOnlySpan<TLogit> row, int i)
            => (uint)i < (uint)row.Length ? Logit.ToDouble(row[i]) : double.NegativeInfinity;
    }
}
