using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>
/// Log-sum-exp and softmax of logits in hardware vectors of floats, of any width, at the rate of the memory. Logits of 16 bits are
/// widened in registers.
/// </summary>
/// <remarks>
/// <para><b>Sum.</b> S = Σ exp(x − m) is taken in one look at the row. The reference m need not be the maximum, only near it: it is
/// the maximum of the first block, and where a logit exceeds it by more than 1, it becomes the maximum of the block that starts
/// there. So a row falls into a few runs, mostly one, each with its reference.</para>
/// <para><b>The odd rest.</b> Where a row holds what arithmetic on floats cannot deal with, the rest of it is worked on in double:
/// infinities that must not be added up, NaN that a format hides, numbers near the end of the range of float.</para>
/// <para><b>Gradient.</b> The exponentials of float logits are kept where the gradient goes, and scaled in a second look while they are
/// in cache. Where the gradient is to be written past the caches, or something else than exponentials is needed, the second
/// look takes them again from the logits, with the references of the runs and so to the same bits: keeping them would fetch the
/// lines that non-temporal stores spare. Where <see cref="StreamsBeside"/>, it is done beside the first look at the next row, so
/// that reading and writing share the time.</para>
/// </remarks>
internal sealed unsafe class SimdSoftmax<TVector, TLogit, TFormat> : SoftmaxKernel<TLogit>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, ILogitFormat<TLogit>
{
    public override bool LeavesRuns => true;

    public override bool LeavesExponentials => typeof(TLogit) == typeof(float);

    /// <summary>
    /// With registers of a whole cache line: of two half lines, the first is often sent to memory alone, when the reads beside it need
    /// its buffer. Measured on AVX2: twice the time.
    /// </summary>
    public override bool StreamsBeside => TVector.Count == GradientLoops<TVector, TLogit, TFormat>.LogitsPerLine;

    protected override void ReduceLong(
        ReadOnlySpan<TLogit> row,
        ReduceOptions question,
        Span<TLogit> kept,
        Span<Run> runs,
        in GradientRequest<TLogit> beside,
        out LogSumExpState sums)
    {
        fixed (TLogit* start = row, keptStart = kept, besideRow = beside.Row, besideGradient = beside.Gradient)
        {
            var look = new FirstLook { Row = start, Length = row.Length, Question = question, Kept = (float*)keptStart, Runs = runs };
            if (beside.IsEmpty)
            {
                GradientStream<TVector, TLogit, TFormat> none = default;
                Reduce(in look, ref none, out sums);
                return;
            }

            var writer = new GradientStream<TVector, TLogit, TFormat>(in beside, besideRow, besideGradient);
            Reduce(in look, ref writer, out sums);
            writer.Finish();
        }
    }

    protected override void WriteLong(in GradientRequest<TLogit> write)
    {
        fixed (TLogit* row = write.Row, gradient = write.Gradient)
        {
            new GradientStream<TVector, TLogit, TFormat>(in write, row, gradient).Finish();
        }
    }

    private static void Reduce(in FirstLook look, ref GradientStream<TVector, TLogit, TFormat> writer, out LogSumExpState sums)
    {
        ReduceOptions question = look.Question;
        switch (question.SoftCap != 0, question.Wants(RowStatistics.Entropy), question.Wants(RowStatistics.Total), look.Kept != null)
        {
            case (true, true, _, _) or (true, _, true, _):
                Reduce<On, On, On, Off>(in look, ref writer, out sums);
                break;
            case (true, _, _, _):
                Reduce<On, Off, Off, Off>(in look, ref writer, out sums);
                break;
            case (_, true, true, _):
                Reduce<Off, On, On, Off>(in look, ref writer, out sums);
                break;
            case (_, true, _, _):
                Reduce<Off, On, Off, Off>(in look, ref writer, out sums);
                break;
            case (_, _, true, true):
                Reduce<Off, Off, On, On>(in look, ref writer, out sums);
                break;
            case (_, _, true, _):
                Reduce<Off, Off, On, Off>(in look, ref writer, out sums);
                break;
            case (_, _, _, true):
                Reduce<Off, Off, Off, On>(in look, ref writer, out sums);
                break;
            default:
                Reduce<Off, Off, Off, Off>(in look, ref writer, out sums);
                break;
        }
    }

    private static void Reduce<TCaps, TWeighs, TTotals, TKeeps>(
        in FirstLook look, ref GradientStream<TVector, TLogit, TFormat> writer, out LogSumExpState sums)
        where TCaps : struct, IFlag
        where TWeighs : struct, IFlag
        where TTotals : struct, IFlag
        where TKeeps : struct, IFlag
    {
        double cap = look.Question.SoftCap;
        float reference = look.FirstReference();
        var exponent = new AffineExponent(reference, cap, TVector.Fuses);
        LogSumExpState.Start(out sums, exponent.CappedReference);
        bool holds = SimdExponent<TVector, TLogit, TFormat, Off>.Holds(float.IsNegativeInfinity(reference) ? 0 : reference, cap);
        int run = 0, start = 0;
        while (holds && start < look.Length)
        {
            TLogit* block = look.Row + start;
            int count = Math.Min(BlockLength, look.Length - start);
            int summed = typeof(TCaps) == typeof(Off) && typeof(TWeighs) == typeof(Off) && writer.CanStream(count)
                ? ReduceLoop<TVector, TLogit, TFormat>.SumExponentials<TCaps, TWeighs, TTotals, TKeeps, On>(
                    block, count, in exponent, look.Kept + start, ref writer.Next, ref sums)
                : ReduceLoop<TVector, TLogit, TFormat>.SumExponentials<TCaps, TWeighs, TTotals, TKeeps, Off>(
                    block, count, in exponent, look.Kept + start, ref writer.Next, ref sums);
            look.FindMax(start, summed, ref sums);
            start += summed;
            if (summed < count)
            {
                look.SetRun(run++, start, reference);
                float max = look.MaxOfBlock(start);

                // Not larger where what stopped the sum was too low, or where NaN hides what exceeds.
                holds = max > reference && SimdExponent<TVector, TLogit, TFormat, Off>.Holds(max, cap);
                reference = max;
                exponent = new(reference, cap, TVector.Fuses);
                if (holds)
                {
                    sums.RaiseReference(exponent.CappedReference);
                }
            }
        }

        if (holds)
        {
            look.SetRun(run, look.Length, reference);
        }
        else
        {
            look.SetRun(run, look.Length, float.NaN);
            ReduceInDouble(in look, start, ref sums);
        }

        look.FindNaN(ref sums);
    }

    private static void ReduceInDouble(in FirstLook look, int start, ref LogSumExpState sums)
    {
        DoubleRows.Reduce(new ReadOnlySpan<TLogit>(look.Row + start, look.Length - start), look.Question, out LogSumExpState rest);
        if (start == 0)
        {
            sums = rest;
        }
        else
        {
            sums.Append(rest, start);
        }
    }

    /// <summary>What a first look works on.</summary>
    private readonly ref struct FirstLook
    {
        public TLogit* Row { get; init; }

        public int Length { get; init; }

        public ReduceOptions Question { get; init; }

        /// <summary>Where exponentials are kept, or null.</summary>
        public float* Kept { get; init; }

        public Span<Run> Runs { get; init; }

        /// <summary>
        /// The largest logit of the first block that has one to work relative to: masks, or logits that are as good as masked, may
        /// stand in front. That of the row if there is none, −inf if all are masked.
        /// </summary>
        public float FirstReference()
        {
            double lowest = SimdExponent<TVector, TLogit, TFormat, Off>.References(Question.SoftCap).Lowest;
            float max = float.NegativeInfinity;
            for (int start = 0; start < Length && !(max >= lowest); start += BlockLength)
            {
                max = MathF.Max(max, MaxOfBlock(start));
            }

            return max == TFormat.MinusInfinity ? float.NegativeInfinity : max;
        }

        /// <summary>The largest logit of the block from <paramref name="start"/> on.</summary>
        public float MaxOfBlock(int start)
            => ReduceLoop<TVector, TLogit, TFormat>.Max(Row + start, Math.Min(BlockLength, Length - start));

        public void SetRun(int run, int end, float reference)
        {
            if (!Runs.IsEmpty)
            {
                Runs[run] = new(end, reference);
            }
        }

        public void FindMax(int start, int count, ref LogSumExpState sums)
        {
            if (!Question.Wants(RowStatistics.ArgMax))
            {
                return;
            }

            float max = ReduceLoop<TVector, TLogit, TFormat>.Max(Row + start, count);
            if (max > TFormat.MinusInfinity && max > sums.Max)
            {
                sums.Max = max;
                sums.ArgMax = start;
                while (LogitConvert.ToDouble(Row[sums.ArgMax]) != max)
                {
                    sums.ArgMax++;
                }
            }
        }

        /// <summary>The first NaN is the maximum to those who ask where one is. It shows in the sum.</summary>
        public void FindNaN(ref LogSumExpState sums)
        {
            int end = !Question.Wants(RowStatistics.ArgMax) || !double.IsNaN(sums.Sum) ? 0 : double.IsNaN(sums.Max) ? sums.ArgMax : Length;
            for (int i = 0; i < end; i++)
            {
                if (double.IsNaN(LogitConvert.ToDouble(Row[i])))
                {
                    sums.Max = double.NaN;
                    sums.ArgMax = i;
                    return;
                }
            }
        }
    }
}
