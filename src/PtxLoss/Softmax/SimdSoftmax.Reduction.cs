using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

internal sealed unsafe partial class SimdSoftmax<TVector, TLogit, TFormat>
{
    /// <summary>A pass over a row that reduces it.</summary>
    private readonly ref struct Reduction(ReduceOptions options)
    {
        private readonly ReduceOptions _options = options;

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
            var references = ReferenceRange.For<TLogit, TFormat>(_options.Transform);
            float reference = FirstReference(in references);
            var exponent = new AffineExponent(reference, _options.Transform, TVector.Fuses);
            LogSumExpState.Start(out state, exponent.TransformedReference);
            bool holds = references.Holds(float.IsNegativeInfinity(reference) ? 0 : reference);
            int run = 0, start = 0;
            while (holds && start < Length)
            {
                int place = _options.Wants(RowStatistics.ArgMax) ? start : -1;
                start += ReduceLoop<TVector, TLogit, TFormat>.SumExponentials<TCaps, TEntropy, TSumsLogits, TStores>(
                    Row + start, Length - start, in exponent, Stored + start, place, ref state);
                if (start < Length)
                {
                    SetRun(run++, start, reference);
                    float max = MaxOfBlock(start);

                    // Not larger where what stopped the sum was too low, or where NaN hides what exceeds.
                    holds = max > reference && references.Holds(max);
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
        private float FirstReference(in ReferenceRange references)
        {
            float max = float.NegativeInfinity;
            for (int start = 0; start < Length && !(max >= references.Lowest); start += BlockLength)
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
