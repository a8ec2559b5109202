using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// The sums and the gradient of a row in double throughout, for short rows and for odd ones. Exponentials in float leave a loss off by
/// some 1e-8, which shows in the sixth digit of a short list, where nothing averages it out, and double costs nothing worth
/// saving there.
/// </summary>
internal static class DoubleRows
{
    /// <summary>The longest row that counts as short.</summary>
    public const int MaxShortLength = 256;

    public static void Reduce<TLogit>(ReadOnlySpan<TLogit> row, ReduceOptions question, out LogSumExpState sums)
        where TLogit : unmanaged
    {
        if (question.SoftCap == 0)
        {
            Reduce<TLogit, Off>(row, question, out sums);
        }
        else
        {
            Reduce<TLogit, On>(row, question, out sums);
        }
    }

    /// <summary>Writes a gradient, rounded once.</summary>
    public static void Write<TLogit>(in GradientRequest<TLogit> write)
        where TLogit : unmanaged
    {
        if (write is { Uniform: 0, SoftCap: 0, Accumulates: false })
        {
            Write<TLogit, Off>(in write);
        }
        else
        {
            Write<TLogit, On>(in write);
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Reduce<TLogit, TCaps>(ReadOnlySpan<TLogit> row, ReduceOptions question, out LogSumExpState sums)
        where TLogit : unmanaged
        where TCaps : struct, IFlag
    {
        var cap = new SoftCap(question.SoftCap);
        bool wantsArgMax = question.Wants(RowStatistics.ArgMax);
        double max = wantsArgMax ? MaxOrNaN(row) : Max(row);

        // At least the lowest finite number: a row of only −inf has the sum 0, as anywhere else.
        double reference = Math.Max(typeof(TCaps) == typeof(On) ? cap.Of(max) : max, double.MinValue);
        Vector256<double> m = Vector256.Create(reference), rest = Capped<TCaps>(Rest(row), cap) - m;
        Vector256<double> sum = DoubleExp.Exp(rest), weightedSum = Weighted(rest, sum);
        for (int i = 0; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Vector256<double> shift = Capped<TCaps>(Load(row, i), cap) - m;
            Vector256<double> exponential = DoubleExp.Exp(shift);
            sum += exponential;
            if (question.Wants(RowStatistics.Entropy))
            {
                weightedSum += Weighted(shift, exponential);
            }
        }

        LogSumExpState.Start(out sums, reference);
        sums.Sum = Vector256.Sum(sum);
        sums.WeightedSum = Vector256.Sum(weightedSum);
        sums.Max = max;
        sums.ArgMax = wantsArgMax ? IndexOf(row, max) : 0;
        if (question.Wants(RowStatistics.Total))
        {
            AddTotal<TLogit, TCaps>(row, cap, ref sums);
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Write<TLogit, THasOptions>(in GradientRequest<TLogit> write)
        where TLogit : unmanaged
        where THasOptions : struct, IFlag
    {
        ReadOnlySpan<TLogit> row = write.Row;
        Span<TLogit> gradient = write.Gradient;
        Vector256<double> m = Vector256.Create(write.Reference), factor = Vector256.Create(write.SoftmaxScale);
        Vector256<double> rest = Gradient<TLogit, THasOptions>(Rest(row), m, factor, in write);
        if (typeof(THasOptions) == typeof(On) && write.Accumulates)
        {
            rest += Rest<TLogit>(gradient);
        }

        int i = 0;
        for (; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Vector256<double> values = Gradient<TLogit, THasOptions>(Load(row, i), m, factor, in write);
            if (typeof(THasOptions) == typeof(On) && write.Accumulates)
            {
                values += Load<TLogit>(gradient, i);
            }

            Store(values, gradient[i..]);
        }

        for (int lane = 0; i < row.Length; lane++, i++)
        {
            gradient[i] = LogitConvert.FromDouble<TLogit>(rest[lane]);
        }
    }

    /// <summary>factor · exp(x − reference), and what the options make of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Gradient<TLogit, THasOptions>(
        Vector256<double> logits, Vector256<double> reference, Vector256<double> factor, in GradientRequest<TLogit> write)
        where TLogit : unmanaged
        where THasOptions : struct, IFlag
    {
        if (typeof(THasOptions) == typeof(Off))
        {
            return factor * Exp(logits, reference);
        }

        Vector256<double> capped = write.SoftCap == 0 ? logits : new SoftCap(write.SoftCap).Of(logits);
        return new LogitGradient(write.Uniform, write.SoftCap).Of(factor * Exp(capped, reference), capped);
    }

    /// <summary>No more than the largest power, which a log-sum-exp of other logits may lead to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Exp(Vector256<double> logits, Vector256<double> reference)
        => DoubleExp.Exp(Vector256.MinNative(Vector256.Create(DoubleExp.Highest), logits - reference));

    /// <summary>The largest logit; NaN is passed over, or is the result.</summary>
    private static double Max<TLogit>(ReadOnlySpan<TLogit> row)
        where TLogit : unmanaged
    {
        Vector256<double> lanes = Rest(row);
        for (int i = 0; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            lanes = Vector256.MaxNative(Load(row, i), lanes);
        }

        Vector128<double> two = Vector128.MaxNative(lanes.GetLower(), lanes.GetUpper());
        return Vector128.MaxNative(two, Vector128.Shuffle(two, Vector128.Create(1L, 0))).ToScalar();
    }

    /// <summary>The largest logit, or NaN if there is one.</summary>
    private static double MaxOrNaN<TLogit>(ReadOnlySpan<TLogit> row)
        where TLogit : unmanaged
    {
        double max = double.NegativeInfinity;
        foreach (TLogit logit in row)
        {
            max = Math.Max(max, LogitConvert.ToDouble(logit));
        }

        return max;
    }

    private static int IndexOf<TLogit>(ReadOnlySpan<TLogit> row, double value)
        where TLogit : unmanaged
    {
        for (int i = 0; ; i++)
        {
            double logit = LogitConvert.ToDouble(row[i]);
            if (logit == value || logit.Equals(value))
            {
                return i;
            }
        }
    }

    /// <summary>Adds the logits that are not −inf, and counts them.</summary>
    private static void AddTotal<TLogit, TCaps>(ReadOnlySpan<TLogit> row, SoftCap cap, ref LogSumExpState sums)
        where TLogit : unmanaged
        where TCaps : struct, IFlag
    {
        Vector256<double> total = WithoutMasked(Capped<TCaps>(Rest(row), cap));
        for (int i = 0; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            total += WithoutMasked(Capped<TCaps>(Load(row, i), cap));
        }

        sums.Total += Vector256.Sum(total);
        sums.Unmasked += row.Length - LogitConvert.CountMasked(row);

        static Vector256<double> WithoutMasked(Vector256<double> logits)
            => Vector256.AndNot(logits, Vector256.Equals(logits, Vector256.Create(double.NegativeInfinity))) * LogSumExpState.TotalScale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Capped<TCaps>(Vector256<double> logits, SoftCap cap)
        where TCaps : struct, IFlag
        => typeof(TCaps) == typeof(On) ? cap.Of(logits) : logits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Weighted(Vector256<double> shift, Vector256<double> exponential)
        => Vector256.Max(shift, Vector256.Create((double)LogSumExpState.LowestShift)) * exponential;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Load<TLogit>(ReadOnlySpan<TLogit> row, int start)
        where TLogit : unmanaged
    {
        ReadOnlySpan<TLogit> four = row.Slice(start, Vector256<double>.Count);
        if (typeof(TLogit) == typeof(float))
        {
            return Vector256.WidenLower(Vector128.Create<float>(MemoryMarshal.Cast<TLogit, float>(four)).ToVector256Unsafe());
        }

        return Vector256.Create(LogitConvert.ToDouble(four[0]), LogitConvert.ToDouble(four[1]), LogitConvert.ToDouble(four[2]), LogitConvert.ToDouble(four[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLogit>(Vector256<double> values, Span<TLogit> destination)
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(float))
        {
            Vector256.Narrow(values, values).GetLower().CopyTo(MemoryMarshal.Cast<TLogit, float>(destination));
            return;
        }

        for (int lane = 0; lane < Vector256<double>.Count; lane++)
        {
            destination[lane] = LogitConvert.FromDouble<TLogit>(values[lane]);
        }
    }

    /// <summary>The last logits, fewer than a register; behind them stands −inf, which adds 0.</summary>
    private static Vector256<double> Rest<TLogit>(ReadOnlySpan<TLogit> row)
        where TLogit : unmanaged
    {
        ReadOnlySpan<TLogit> rest = row[(row.Length / Vector256<double>.Count * Vector256<double>.Count)..];

        // Not through memory: a vector read from what was just written one by one waits for the writes.
        return Vector256.Create(Lane(rest, 0), Lane(rest, 1), Lane(rest, 2), double.NegativeInfinity);

        static double Lane(ReadOnlySpan<TLogit> row, int i)
            => (uint)i < (uint)row.Length ? LogitConvert.ToDouble(row[i]) : double.NegativeInfinity;
    }
}
