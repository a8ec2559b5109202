using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// Log-sum-exp and softmax in double, whatever the type of the logits: for <see cref="double"/>, for machines without vectors,
/// and for what floats cannot deal with.
/// </summary>
/// <remarks>
/// Block by block: <see cref="TensorPrimitives"/> finds the largest logit m of a block, which becomes the reference of Σ exp(z −
/// m), and the states of the blocks are put together as those of an online softmax (Milakov and Gimelshein, 2018). A −inf logit
/// has exponential 0. NaN and +inf make the sum NaN (inf − inf), and so does nothing else: m is at least the lowest finite
/// number, which gives a row of only −inf the sum 0 and the log-sum-exp −inf. The exponential is our own,
/// <see cref="DoubleExp"/>, and so is its sum, in registers: what <see cref="TensorPrimitives"/> makes of an element or a sum
/// depends on neighbours and addresses.
/// </remarks>
internal sealed class DoubleSoftmax<TLogit> : SoftmaxKernel<TLogit>
    where TLogit : unmanaged
{
    public override GradientPlan Plan(in GradientTraits traits) => new(GradientMethod.Recompute, RunsPerSegment: 0);

    public override void Reduce(
        ReadOnlySpan<TLogit> row, ReduceOptions options, Span<Run> runs, Span<TLogit> exponentials, out LogSumExpState state)
        => Reduce(row, options, out state);

    public override void WriteGradient(in GradientRequest<TLogit> request) => Write(in request);

    public static void Reduce(ReadOnlySpan<TLogit> row, ReduceOptions options, out LogSumExpState state)
    {
        int first = Math.Min(BlockLength, row.Length);
        ReduceBlock(row[..first], options, out state);
        for (int start = first; start < row.Length; start += BlockLength)
        {
            ReduceBlock(row.Slice(start, Math.Min(BlockLength, row.Length - start)), options, out LogSumExpState next);
            state.Append(next, start);
        }
    }

    /// <summary>Writes a gradient, rounded once.</summary>
    public static void Write(in GradientRequest<TLogit> request)
    {
        if (request is { Uniform: 0, EntropyFactor: 0, Accumulates: false, Transform.IsIdentity: true })
        {
            Write<Off>(in request);
        }
        else
        {
            Write<On>(in request);
        }
    }

    private static void ReduceBlock(ReadOnlySpan<TLogit> block, ReduceOptions options, out LogSumExpState state)
    {
        if (options.Transform.IsIdentity)
        {
            ReduceBlock<Off>(block, options, out state);
        }
        else
        {
            ReduceBlock<On>(block, options, out state);
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void ReduceBlock<TTransforms>(ReadOnlySpan<TLogit> row, ReduceOptions options, out LogSumExpState state)
        where TTransforms : struct, IFlag
    {
        LogitTransform transform = options.Transform;
        double max = Max(row);

        // At least the lowest finite number: a row of only −inf has the sum 0, as anywhere else.
        double reference = Math.Max(typeof(TTransforms) == typeof(On) ? transform.Of(max) : max, double.MinValue);
        Vector256<double> m = Vector256.Create(reference), sum = default, weightedSum = default;
        if (row.Length % Vector256<double>.Count != 0)
        {
            Vector256<double> rest = Transformed<TTransforms>(Rest(row), transform) - m;
            sum = DoubleExp.Exp(rest);
            weightedSum = Weighted(rest, sum);
        }

        for (int i = 0; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Vector256<double> shift = Transformed<TTransforms>(Load(row, i), transform) - m;
            Vector256<double> exponential = DoubleExp.Exp(shift);
            sum += exponential;
            if (options.Wants(RowStatistics.Entropy))
            {
                weightedSum += Weighted(shift, exponential);
            }
        }

        LogSumExpState.Start(out state, reference);
        state.Sum = Vector256.Sum(sum);
        state.WeightedSum = Vector256.Sum(weightedSum);
        state.Max = max;
        state.ArgMax = options.Wants(RowStatistics.ArgMax) ? IndexOf(row, max) : 0;
        if (options.Wants(RowStatistics.Mean))
        {
            SumLogits<TTransforms>(row, transform, ref state);
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Write<THasOptions>(in GradientRequest<TLogit> request)
        where THasOptions : struct, IFlag
    {
        ReadOnlySpan<TLogit> row = request.Row;
        Span<TLogit> gradient = request.Gradient;
        int i = 0;
        for (; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            Vector256<double> values = Gradient<THasOptions>(Load(row, i), in request);
            if (typeof(THasOptions) == typeof(On) && request.Accumulates)
            {
                values += Load(gradient, i);
            }

            Store(values, gradient[i..]);
        }

        if (i == row.Length)
        {
            return;
        }

        Vector256<double> rest = Gradient<THasOptions>(Rest(row), in request);
        if (typeof(THasOptions) == typeof(On) && request.Accumulates)
        {
            rest += Rest(gradient);
        }

        for (int lane = 0; i < row.Length; lane++, i++)
        {
            gradient[i] = ElementConvert.FromDouble<TLogit>(rest[lane]);
        }
    }

    /// <summary>The gradients of four logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Gradient<THasOptions>(Vector256<double> logits, in GradientRequest<TLogit> request)
        where THasOptions : struct, IFlag
    {
        Vector256<double> m = Vector256.Create(request.Reference), factor = Vector256.Create(request.Factor);
        if (typeof(THasOptions) == typeof(Off))
        {
            return factor * Exp(logits - m);
        }

        Vector256<double> z = request.Transform.IsIdentity ? logits : request.Transform.Of(logits), shift = z - m;
        if (request.EntropyFactor != 0)
        {
            factor -= Vector256.Create(request.EntropyFactor) * AboveLowest(shift);
        }

        // A −inf logit is not in the vocabulary: it keeps its softmax, which is 0, or NaN in a row that has none.
        Vector256<double> masked = Vector256.Equals(z, Vector256.Create(double.NegativeInfinity));
        Vector256<double> gradient = (factor * Exp(shift)) - Vector256.AndNot(Vector256.Create(request.Uniform), masked);
        return request.Transform.HasCap ? gradient * request.Transform.CapSlope(logits) : gradient;
    }

    /// <summary>At most the largest power: the log-sum-exp may be that of other logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Exp(Vector256<double> shift)
        => DoubleExp.Exp(Vector256.MinNative(Vector256.Create(DoubleExp.Highest), shift));

    /// <summary>The largest logit, or NaN if there is one.</summary>
    private static double Max(ReadOnlySpan<TLogit> row)
    {
        if (typeof(TLogit) == typeof(float))
        {
            return TensorPrimitives.Max(MemoryMarshal.Cast<TLogit, float>(row));
        }

        if (typeof(TLogit) == typeof(double))
        {
            return TensorPrimitives.Max(MemoryMarshal.Cast<TLogit, double>(row));
        }

        double max = double.NegativeInfinity;
        foreach (TLogit logit in row)
        {
            max = Math.Max(max, ElementConvert.ToDouble(logit));
        }

        return max;
    }

    private static int IndexOf(ReadOnlySpan<TLogit> row, double value)
    {
        for (int i = 0; ; i++)
        {
            double logit = ElementConvert.ToDouble(row[i]);
            if (logit == value || logit.Equals(value))
            {
                return i;
            }
        }
    }

    /// <summary>Adds up the logits that are not −inf, and counts them.</summary>
    private static void SumLogits<TTransforms>(ReadOnlySpan<TLogit> row, LogitTransform transform, ref LogSumExpState state)
        where TTransforms : struct, IFlag
    {
        Vector256<double> sum = WithoutMasked(Transformed<TTransforms>(Rest(row), transform));
        for (int i = 0; i <= row.Length - Vector256<double>.Count; i += Vector256<double>.Count)
        {
            sum += WithoutMasked(Transformed<TTransforms>(Load(row, i), transform));
        }

        state.LogitSum = Vector256.Sum(sum);
        state.Unmasked = row.Length - ElementConvert.CountMasked(row);

        static Vector256<double> WithoutMasked(Vector256<double> logits)
            => Vector256.AndNot(
                logits, Vector256.Equals(logits, Vector256.Create(double.NegativeInfinity))) * LogSumExpState.LogitSumScale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Transformed<TTransforms>(Vector256<double> logits, LogitTransform transform)
        where TTransforms : struct, IFlag
        => typeof(TTransforms) == typeof(On) ? transform.Of(logits) : logits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Weighted(Vector256<double> shift, Vector256<double> exponential)
        => AboveLowest(shift) * exponential;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> AboveLowest(Vector256<double> shift)
        => Vector256.Max(shift, Vector256.Create((double)LogSumExpState.LowestShift));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Load(ReadOnlySpan<TLogit> row, int start)
    {
        ReadOnlySpan<TLogit> four = row.Slice(start, Vector256<double>.Count);
        if (typeof(TLogit) == typeof(float))
        {
            return Vector256.WidenLower(Vector128.Create<float>(MemoryMarshal.Cast<TLogit, float>(four)).ToVector256Unsafe());
        }

        if (typeof(TLogit) == typeof(double))
        {
            return Vector256.Create<double>(MemoryMarshal.Cast<TLogit, double>(four));
        }

        return Vector256.Create(
            ElementConvert.ToDouble(four[0]),
            ElementConvert.ToDouble(four[1]),
            ElementConvert.ToDouble(four[2]),
            ElementConvert.ToDouble(four[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<double> values, Span<TLogit> destination)
    {
        if (typeof(TLogit) == typeof(float))
        {
            Vector256.Narrow(values, values).GetLower().CopyTo(MemoryMarshal.Cast<TLogit, float>(destination));
            return;
        }

        if (typeof(TLogit) == typeof(double))
        {
            values.CopyTo(MemoryMarshal.Cast<TLogit, double>(destination));
            return;
        }

        for (int lane = 0; lane < Vector256<double>.Count; lane++)
        {
            destination[lane] = ElementConvert.FromDouble<TLogit>(values[lane]);
        }
    }

    /// <summary>The last logits, fewer than a register; behind them stands −inf, which adds 0.</summary>
    private static Vector256<double> Rest(ReadOnlySpan<TLogit> row)
    {
        ReadOnlySpan<TLogit> rest = row[(row.Length / Vector256<double>.Count * Vector256<double>.Count)..];

        // Not through memory: a vector read from what was just written one by one waits for the writes.
        return Vector256.Create(Lane(rest, 0), Lane(rest, 1), Lane(rest, 2), double.NegativeInfinity);

        static double Lane(ReadOnlySpan<TLogit> row, int i)
            => (uint)i < (uint)row.Length ? ElementConvert.ToDouble(row[i]) : double.NegativeInfinity;
    }
}
