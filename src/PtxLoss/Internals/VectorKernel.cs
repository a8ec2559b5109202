using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>Log-sum-exp and softmax of float logits in hardware vectors of any width, at the rate of the memory.</summary>
/// <remarks>
/// <para><b>Sum.</b> S = Σ exp(x − m) is taken block by block, in one look at the row. The reference m need not be the maximum, only
/// near it: it is the first block's maximum, and it is raised, and the block done again, when a block exceeds it by more than
/// 1. What tells is the block's own sum, so a maximum is looked for only where that sum is large. m is at least the lowest
/// finite float, so a row of only −inf has S = 0.</para>
/// <para><b>Gradient.</b> The exponentials are kept where the gradient goes, and scaled in a second look while they are in cache.
/// Where the gradient is to be written past the caches, the second look takes them again from the logits, with each block's own
/// reference and so to the same bits: keeping them would fetch the lines that non-temporal stores spare.</para>
/// </remarks>
internal sealed unsafe class VectorKernel<TVector> : RowKernel<float>
    where TVector : struct, IFloatVector<TVector>
{
    /// <summary>
    /// Up to this sum of a block, its maximum exceeds the reference by at most log 16 = 2.8: the smaller x − m is where the weight
    /// is, the smaller are its rounding and the error of its exponential, which a loss inherits.
    /// </summary>
    private const double LargeSum = 16;

    public override void WriteSoftmax(ReadOnlySpan<float> row, double logSumExp, double scale, Span<float> gradient, bool streams)
    {
        fixed (float* source = row, destination = gradient)
        {
            float reference = (float)logSumExp;
            float factor = (float)Factor(reference, logSumExp, scale, float.MaxValue);
            WriteExponentials(source, row.Length, reference, factor, destination, streams);
            Fence(streams);
        }
    }

    protected override void ReduceLong(
        ReadOnlySpan<float> row, RowDetails details, Span<float> gradient, Span<float> references, bool streams, out RowSums sums)
    {
        bool wantsArgMax = (details & RowDetails.ArgMax) == RowDetails.ArgMax;
        bool keeps = !references.IsEmpty && !streams;
        fixed (float* start = row, kept = gradient)
        {
            switch (details & RowDetails.Entropy, keeps)
            {
                case (RowDetails.Entropy, true):
                    Reduce<On, On>(start, row.Length, wantsArgMax, kept, references, out sums);
                    break;
                case (RowDetails.Entropy, false):
                    Reduce<On, Off>(start, row.Length, wantsArgMax, kept, references, out sums);
                    break;
                case (_, true):
                    Reduce<Off, On>(start, row.Length, wantsArgMax, kept, references, out sums);
                    break;
                default:
                    Reduce<Off, Off>(start, row.Length, wantsArgMax, kept, references, out sums);
                    break;
            }
        }
    }

    protected override void WriteLongGradient(
        ReadOnlySpan<float> row, double logSumExp, double scale, Span<float> gradient, ReadOnlySpan<float> references, bool streams)
    {
        if (references.IsEmpty)
        {
            WriteSoftmax(row, logSumExp, scale, gradient, streams);
            return;
        }

        fixed (float* source = row, destination = gradient)
        {
            float reference = float.NaN, factor = float.NaN;
            for (int start = 0; start < row.Length; start += BlockLength)
            {
                int count = Math.Min(BlockLength, row.Length - start);
                if (references[start / BlockLength] != reference)
                {
                    reference = references[start / BlockLength];
                    factor = (float)Factor(reference, logSumExp, scale, float.MaxValue);
                }

                if (streams)
                {
                    WriteExponentials(source + start, count, reference, factor, destination + start, streams);
                }
                else
                {
                    VectorWrites<TVector>.Scale(destination + start, count, factor);
                }
            }

            Fence(streams);
        }
    }

    private static void WriteExponentials(float* source, int count, float reference, float factor, float* destination, bool streams)
    {
        if (streams)
        {
            VectorWrites<TVector>.WriteExponentials<On>(source, count, reference, factor, destination);
        }
        else
        {
            VectorWrites<TVector>.WriteExponentials<Off>(source, count, reference, factor, destination);
        }
    }

    /// <summary>Non-temporal stores may arrive late; whoever is told that the gradient is there must find it there.</summary>
    private static void Fence(bool streams)
    {
        if (streams)
        {
            Thread.MemoryBarrier();
        }
    }

    [SkipLocalsInit]
    private static void Reduce<TWeighs, TKeeps>(
        float* row, int length, bool wantsArgMax, float* kept, Span<float> references, out RowSums sums)
        where TWeighs : struct, IFlag
        where TKeeps : struct, IFlag
    {
        // Kept exponentials wait here until their block's reference stands: in place, they overwrite what they are taken of.
        const int alignment = 64;
        float* scratch = stackalloc float[TKeeps.Value ? BlockLength + (alignment / sizeof(float)) : 0];
        scratch = (float*)(((nint)scratch + alignment - 1) & -alignment);
        float reference = Math.Max(VectorSums<TVector>.Max(row, Math.Min(BlockLength, length)), float.MinValue);
        RowSums.Start(out sums, reference);
        for (int start = 0; start < length; start += BlockLength)
        {
            float* block = row + start;
            int count = Math.Min(BlockLength, length - start);
            double sum = VectorSums<TVector>.SumExponentials<TWeighs, TKeeps>(
                block, count, reference, scratch, out double weightedSum);
            if (!(sum <= LargeSum) && VectorSums<TVector>.Max(block, count) is float max && max > reference + 1)
            {
                reference = max;
                sums.RaiseReference(reference);
                sum = VectorSums<TVector>.SumExponentials<TWeighs, TKeeps>(block, count, reference, scratch, out weightedSum);
            }

            sums.Sum += sum;
            sums.WeightedSum += weightedSum;
            if (wantsArgMax)
            {
                FindMax(new ReadOnlySpan<float>(block, count), start, ref sums);
            }

            if (!references.IsEmpty)
            {
                references[start / BlockLength] = reference;
            }

            if (TKeeps.Value)
            {
                VectorWrites<TVector>.Copy(scratch, kept + start, count);
            }
        }
    }

    private static void FindMax(ReadOnlySpan<float> block, int start, ref RowSums sums)
    {
        float max = TensorPrimitives.Max(block); // NaN if there is one
        if (sums.IsNewMax(max))
        {
            sums.Max = max;
            sums.ArgMax = start + block.IndexOf(max);
        }
    }
}
