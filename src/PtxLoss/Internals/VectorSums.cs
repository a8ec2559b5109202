using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>A compile-time choice: the JIT leaves no branch.</summary>
internal interface IFlag
{
    static abstract bool Value { get; }
}

internal readonly struct On : IFlag
{
    public static bool Value => true;
}

internal readonly struct Off : IFlag
{
    public static bool Value => false;
}

/// <summary>Reductions of a block of floats that is in the first-level cache or on its way there.</summary>
internal static unsafe class VectorSums<TVector>
    where TVector : struct, IFloatVector<TVector>
{
    /// <summary>Registers that are worked on side by side, to hide the latency of each step.</summary>
    private const int Unroll = 4;

    /// <summary>
    /// How many terms a lane adds in float before it is widened: beside a term of 1, each addition loses up to half an ulp of 1,
    /// so adversarial terms cost a sum less than 5e-7 of itself.
    /// </summary>
    private const int TermsPerLane = 8;

    /// <summary>The largest float; NaN may be passed over.</summary>
    public static float Max(float* block, int count)
    {
        TVector max0 = TVector.Create(float.NegativeInfinity), max1 = max0, max2 = max0, max3 = max0;
        int i = 0;
        for (; i <= count - (Unroll * TVector.Count); i += Unroll * TVector.Count)
        {
            max0 = TVector.Max(max0, TVector.Load(block + i));
            max1 = TVector.Max(max1, TVector.Load(block + i + TVector.Count));
            max2 = TVector.Max(max2, TVector.Load(block + i + (2 * TVector.Count)));
            max3 = TVector.Max(max3, TVector.Load(block + i + (3 * TVector.Count)));
        }

        float max = TVector.Max(TVector.Max(max0, max1), TVector.Max(max2, max3)).Max();
        for (; i < count; i++)
        {
            max = Math.Max(max, block[i]);
        }

        return max;
    }

    /// <summary>
    /// Σ exp(x_i − reference) and, <typeparamref name="TWeighs"/>, Σ (x_i − reference)·exp(x_i − reference). The exponentials go to
    /// <paramref name="kept"/> if <typeparamref name="TKeeps"/>, which has room for whole registers.
    /// </summary>
    public static double SumExponentials<TWeighs, TKeeps>(
        float* block, int count, float reference, float* kept, out double weightedSum)
        where TWeighs : struct, IFlag
        where TKeeps : struct, IFlag
    {
        TVector zero = TVector.Create(0), m = TVector.Create(reference);
        double sum = 0;
        weightedSum = 0;
        float* end = block + count;
        while (end - block >= Unroll * TVector.Count)
        {
            TVector sum0 = zero, sum1 = zero, sum2 = zero, sum3 = zero;
            TVector weighted0 = zero, weighted1 = zero, weighted2 = zero, weighted3 = zero;
            long terms = Math.Min(TermsPerLane, (end - block) / (Unroll * TVector.Count));
            for (; terms > 0; terms--)
            {
                TVector exp0 = Term<TWeighs>(block, m, ref weighted0);
                TVector exp1 = Term<TWeighs>(block + TVector.Count, m, ref weighted1);
                TVector exp2 = Term<TWeighs>(block + (2 * TVector.Count), m, ref weighted2);
                TVector exp3 = Term<TWeighs>(block + (3 * TVector.Count), m, ref weighted3);
                sum0 += exp0;
                sum1 += exp1;
                sum2 += exp2;
                sum3 += exp3;
                if (TKeeps.Value)
                {
                    exp0.Store(kept);
                    exp1.Store(kept + TVector.Count);
                    exp2.Store(kept + (2 * TVector.Count));
                    exp3.Store(kept + (3 * TVector.Count));
                    kept += Unroll * TVector.Count;
                }

                block += Unroll * TVector.Count;
            }

            sum += TVector.Sum(sum0, sum1, sum2, sum3);
            if (TWeighs.Value)
            {
                weightedSum += TVector.Sum(weighted0, weighted1, weighted2, weighted3);
            }
        }

        for (; block < end; block += TVector.Count)
        {
            TVector weighted = zero;
            TVector exponential = TermOfRest<TWeighs>(block, (int)Math.Min(TVector.Count, end - block), m, ref weighted);
            sum += TVector.Sum(exponential, zero, zero, zero);
            weightedSum += TVector.Sum(weighted, zero, zero, zero);
            if (TKeeps.Value)
            {
                exponential.Store(kept);
                kept += TVector.Count;
            }
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Term<TWeighs>(float* address, TVector m, ref TVector weighted)
        where TWeighs : struct, IFlag
    {
        TVector shift = TVector.Load(address) - m;
        if (!TWeighs.Value)
        {
            return VectorExp<TVector>.Exp(shift);
        }

        shift = TVector.Max(TVector.Create(RowSums.LowestShift), shift);
        TVector exponential = VectorExp<TVector>.Exp(shift);
        weighted = TVector.MultiplyAdd(shift, exponential, weighted);
        return exponential;
    }

    /// <summary>Less than a register: past the end stands −inf, which adds 0.</summary>
    private static TVector TermOfRest<TWeighs>(float* address, int count, TVector m, ref TVector weighted)
        where TWeighs : struct, IFlag
    {
        float* padded = stackalloc float[TVector.Count];
        for (int i = 0; i < TVector.Count; i++)
        {
            padded[i] = i < count ? address[i] : float.NegativeInfinity;
        }

        return Term<TWeighs>(padded, m, ref weighted);
    }
}
