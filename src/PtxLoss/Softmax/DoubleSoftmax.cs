using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// Log-sum-exp and softmax out of <see cref="TensorPrimitives"/> and <see cref="DoubleExp"/>, in double whatever the type of the
/// logits, in blocks that stay in the first-level cache, so memory is read once per visit.
/// </summary>
/// <remarks>
/// With m the largest logit so far and S = Σ exp(x_i − m), a block whose maximum m' exceeds m first turns S into
/// S·exp(m − m'); then the block's own exponentials are added (online softmax, Milakov and Gimelshein 2018).
/// A −inf logit has exponential 0. NaN and +inf make S NaN (inf − inf), and so does nothing else: m starts at the lowest
/// finite number, not at −inf, which gives a row of only −inf the sum 0 and the log-sum-exp −inf.
/// </remarks>
internal sealed class DoubleSoftmax<TLogit> : SoftmaxKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>
    /// How many terms <see cref="TensorPrimitives"/> adds at a time: of more, it aligns what it reads, and the order of the sum, so
    /// its last bit, depends on where they lie.
    /// </summary>
    private const int SumLength = 16;

    [SkipLocalsInit]
    protected override void ReduceLong(
        ReadOnlySpan<TLogit> row,
        ReduceOptions question,
        Span<TLogit> kept,
        Span<Run> runs,
        in GradientRequest<TLogit> beside,
        out LogSumExpState sums)
    {
        if (!beside.IsEmpty)
        {
            Write(in beside);
        }

        bool wantsEntropy = question.Wants(RowStatistics.Entropy);
        Span<double> buffer = stackalloc double[BlockLength];
        double max = double.NegativeInfinity;
        LogSumExpState.Start(out sums, double.MinValue);
        for (int start = 0; start < row.Length; start += BlockLength)
        {
            ReadOnlySpan<TLogit> logits = row.Slice(start, Math.Min(BlockLength, row.Length - start));
            ReadOnlySpan<double> block = Widened(logits, buffer[..logits.Length]);
            double blockMax = TensorPrimitives.Max(block);
            if (!(blockMax <= max) && !double.IsNaN(max))
            {
                max = blockMax;
                sums.RaiseReference(question.SoftCap == 0 ? max : new SoftCap(question.SoftCap).Of(max));
                sums.Max = max;
                sums.ArgMax = question.Wants(RowStatistics.ArgMax) ? start + block.IndexOf(max) : 0;
            }

            block = Capped(block, question.SoftCap, buffer[..logits.Length]);
            if (question.Wants(RowStatistics.Total))
            {
                AddTotal(block, LogitConvert.CountMasked(logits), ref sums);
            }

            sums.Sum += DoubleExp.Sum(block, sums.Reference, wantsEntropy, out double weightedSum);
            sums.WeightedSum += weightedSum;
        }
    }

    protected override void WriteLong(in GradientRequest<TLogit> write)
    {
        double factor = write.SoftmaxScale;
        if (typeof(TLogit) == typeof(double) && write is { Uniform: 0, SoftCap: 0, Accumulates: false })
        {
            WriteInGradient(
                MemoryMarshal.Cast<TLogit, double>(write.Row),
                write.Reference,
                factor,
                MemoryMarshal.Cast<TLogit, double>(write.Gradient));
        }
        else
        {
            WriteThroughBuffers(in write, factor);
        }
    }

    /// <summary>Doubles need no other place to be worked on than the gradient.</summary>
    private static void WriteInGradient(ReadOnlySpan<double> row, double reference, double factor, Span<double> gradient)
    {
        for (int start = 0; start < row.Length; start += BlockLength)
        {
            int length = Math.Min(BlockLength, row.Length - start);
            Span<double> block = gradient.Slice(start, length);
            DoubleExp.Exp(row.Slice(start, length), reference, block);
            TensorPrimitives.Multiply(block, factor, block);
        }
    }

    [SkipLocalsInit]
    private static void WriteThroughBuffers(in GradientRequest<TLogit> write, double factor)
    {
        Span<double> logitsBuffer = stackalloc double[BlockLength], valuesBuffer = stackalloc double[BlockLength];
        var options = new LogitGradient(write.Uniform, write.SoftCap);
        for (int start = 0; start < write.Row.Length; start += BlockLength)
        {
            int length = Math.Min(BlockLength, write.Row.Length - start);
            Span<TLogit> gradient = write.Gradient.Slice(start, length);
            Span<double> buffer = logitsBuffer[..length];
            ReadOnlySpan<double> capped = Capped(Widened(write.Row.Slice(start, length), buffer), write.SoftCap, buffer);
            Span<double> values = valuesBuffer[..length];
            DoubleExp.Exp(capped, write.Reference, values);
            TensorPrimitives.Multiply(values, factor, values);
            if (write.Uniform != 0 || write.SoftCap != 0)
            {
                options.Apply(values, capped);
            }

            if (write.Accumulates)
            {
                LogitConvert.ToDoubles<TLogit>(gradient, logitsBuffer);
                TensorPrimitives.Add<double>(values, logitsBuffer[..length], values);
            }

            LogitConvert.FromDoubles(values, gradient);
        }
    }

    /// <summary>The logits in double: in the buffer, or where they are if they are just that.</summary>
    private static ReadOnlySpan<double> Widened(ReadOnlySpan<TLogit> logits, Span<double> buffer)
    {
        if (typeof(TLogit) == typeof(double))
        {
            return MemoryMarshal.Cast<TLogit, double>(logits);
        }

        LogitConvert.ToDoubles(logits, buffer);
        return buffer;
    }

    /// <summary>The logits with their cap, which makes others of them, in the buffer.</summary>
    private static ReadOnlySpan<double> Capped(ReadOnlySpan<double> logits, double softCap, Span<double> buffer)
    {
        if (softCap == 0)
        {
            return logits;
        }

        logits.CopyTo(buffer);
        new SoftCap(softCap).Apply(buffer);
        return buffer;
    }

    private static void AddTotal(ReadOnlySpan<double> block, int masked, ref LogSumExpState sums)
    {
        sums.Unmasked += block.Length - masked;
        if (masked == 0)
        {
            sums.Total += SumScaled(block);
            return;
        }

        foreach (double logit in block)
        {
            sums.Total += double.IsNegativeInfinity(logit) ? 0 : logit * LogSumExpState.TotalScale;
        }
    }

    private static double SumScaled(ReadOnlySpan<double> terms)
    {
        double sum = 0;
        Span<double> scaled = stackalloc double[SumLength];
        for (int start = 0; start < terms.Length; start += SumLength)
        {
            ReadOnlySpan<double> some = terms.Slice(start, Math.Min(SumLength, terms.Length - start));
            TensorPrimitives.Multiply(some, LogSumExpState.TotalScale, scaled);
            sum += TensorPrimitives.Sum<double>(scaled[..some.Length]);
        }

        return sum;
    }
}
