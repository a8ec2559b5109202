using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

internal sealed unsafe partial class SimdSoftmax<TVector, TLogit, TFormat>
{
    /// <summary>A pass over a row that reduces it.</summary>
    private readonly ref struct Reduction(ReduceOptions options)
    {
        private readonly ReduceOptions _options = options;
        private readonly ReferenceRange _references = ReferenceRange.For<TLogit, TFormat>(options.Transform);

        public TLogit* Row { get; init; }

        public int Length { get; init; }

        /// <summary>Where exponentials are stored, or null.</summary>
        public float* Stored { get; init; }

        public Span<Run> Runs { get; init; }

        public void Reduce<TCaps, TEntropy, TSumsLogits, TStores>(out LogSumExpState state)
            where TCaps : struct, IFlag
            where TEntropy : struct, IFlag
            where TSumsLogits : struct, IFlag
            where TStores : struct, IFlag
        {
            float reference = FirstReference();
            var exponent = new AffineExponent(reference, _options.Transform, TVector.Fuses);
            LogSumExpState.Start(out state, exponent.TransformedReference);
            bool holds = _references.Holds(float.IsNegativeInfinity(reference) ? 0 : reference);
            int run = 0, start = 0;

            // A block at a time where its sum is to tell whether it may have the largest logit.
            int most = _options.Wants(RowStatistics.ArgMax) ? BlockLength : Length;
            while (holds && start < Length)
            {
                int count = Math.Min(most, Length - start);
                double before = state.Sum;
                int summed = ReduceLoop<TVector, TLogit, TFormat>.SumExponentials<TCaps, TEntropy, TSumsLogits, TStores>(
                    Row + start, count, in exponent, Stored + start, ref state);
                FindMax(start, summed, state.Sum - before, ref state);
                start += summed;
                if (summed < count)
                {
                    SetRun(run++, start, reference);
                    float max = MaxOfBlock(start);

                    // Not larger where what stopped the sum was too low, or where NaN hides what exceeds.
                    holds = max > reference && _references.Holds(max);
                    reference = max;
                    exponent = new(reference, _options.Transform, TVector.Fuses);
                    if (holds)
                    {
                        state.RaiseReference(exponent.TransformedReference);
                    }
                }
            }

            LocateMax(ref state);
            if (holds)
            {
                SetRun(run, Length, reference);
            }
            else
            {
                LogSumExpState found = state;
                ReduceInDouble(start, run, out state);
                if (start > 0)
                {
                    LogSumExpState rest = state;
                    state = found;
                    state.Append(rest, start);
                }
            }

            FindNaN(ref state);
        }

        /// <summary>The fallback, for the logits from <paramref name="start"/> on.</summary>
        public void ReduceInDouble(int start, int run, out LogSumExpState state)
        {
            SetRun(run, Length, float.NaN);
            DoubleSoftmax<TLogit>.Reduce(new ReadOnlySpan<TLogit>(Row + start, Length - start), _options, out state);
        }

        /// <summary>
        /// The largest logit of the first block that has one to work relative to: masks, or logits that are as good as masked,
        /// may stand in front. That of the row if there is none, −inf if all are masked.
        /// </summary>
        private float FirstReference()
        {
            float max = float.NegativeInfinity;
            for (int start = 0; start < Length && !(max >= _references.Lowest); start += BlockLength)
            {
                max = MathF.Max(max, MaxOfBlock(start));
            }

            return max == TFormat.MinusInfinity ? float.NegativeInfinity : max;
        }

        /// <summary>The largest logit of the block from <paramref name="start"/> on.</summary>
        private float MaxOfBlock(int start)
            => ReduceLoop<TVector, TLogit, TFormat>.Max(Row + start, Math.Min(BlockLength, Length - start));

        private void SetRun(int run, int end, float reference)
        {
            if (!Runs.IsEmpty)
            {
                Runs[run] = new(end, reference);
            }
        }

        /// <summary>
        /// Finds the largest logit so far, and where the block that has it starts. Most blocks are not looked at: where all
        /// exponentials together are less than that of the largest logit, none is larger.
        /// </summary>
        private void FindMax(int start, int count, double sumOfBlock, ref LogSumExpState state)
        {
            const double rounding = 1.001; // far more than that of exponentials and their sums
            if (!_options.Wants(RowStatistics.ArgMax)
                || sumOfBlock * rounding < Math.Exp(_options.Transform.Of(state.Max) - state.Reference))
            {
                return;
            }

            float max = ReduceLoop<TVector, TLogit, TFormat>.Max(Row + start, count);
            if (max > TFormat.MinusInfinity && max > state.Max)
            {
                state.Max = max;
                state.ArgMax = start;
            }
        }

        /// <summary>Once, in the last block that had a larger one: to look for each would take longer than the sum.</summary>
        private void LocateMax(ref LogSumExpState state)
        {
            while (!double.IsNegativeInfinity(state.Max) && ElementConvert.ToDouble(Row[state.ArgMax]) != state.Max)
            {
                state.ArgMax++;
            }
        }

        /// <summary>The first NaN is the maximum to those who ask where one is. It shows in the sum.</summary>
        private void FindNaN(ref LogSumExpState state)
        {
            int end = !_options.Wants(RowStatistics.ArgMax) || !double.IsNaN(state.Sum) ? 0
                : double.IsNaN(state.Max) ? state.ArgMax
                : Length;
            for (int i = 0; i < end; i++)
            {
                if (double.IsNaN(ElementConvert.ToDouble(Row[i])))
                {
                    state.Max = double.NaN;
                    state.ArgMax = i;
                    return;
                }
            }
        }
    }
}
