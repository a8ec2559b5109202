using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Softmax;

/// <summary>Reductions of logits, read once from wherever they are.</summary>
internal static unsafe class ReduceLoop<TVector, TLogit, TFormat>
    where TVector : struct, ISimdFloat<TVector>
    where TLogit : unmanaged
    where TFormat : struct, ILogitFormat<TLogit>
{
    /// <summary>Registers that are worked on side by side, to hide the latency of each step.</summary>
    private const int Unroll = 4;

    /// <summary>
    /// How many steps a lane adds in float, four terms each, before it is widened: beside a term of 1, each addition loses up to half
    /// an ulp of 1, so adversarial terms cost a sum less than 6e-7 of itself.
    /// </summary>
    private const int StepsPerSum = 8;

    /// <summary>
    /// How far ahead memory is asked for where the hardware does not see far enough: while a gradient is written, and where logits of
    /// 16 bits make it believe that less is wanted. With a stream of floats alone it costs more than it brings.
    /// </summary>
    private static int PrefetchDistance => 2048 / sizeof(TLogit);

    /// <summary>The largest logit, infinities and NaN as the format loads them; NaN is passed over, or is the result.</summary>
    [MethodImpl(Jit.HotLoop)]
    public static float Max(TLogit* block, int count)
    {
        // The old maximum stands right, so that NaN, where it does not win, cannot make it forgotten.
        TVector max0 = TVector.Create(float.NegativeInfinity), max1 = max0, max2 = max0, max3 = max0;
        int i = 0;
        for (; i <= count - (Unroll * TVector.Count); i += Unroll * TVector.Count)
        {
            max0 = TVector.Max(TFormat.Load<TVector>(block + i), max0);
            max1 = TVector.Max(TFormat.Load<TVector>(block + i + TVector.Count), max1);
            max2 = TVector.Max(TFormat.Load<TVector>(block + i + (2 * TVector.Count)), max2);
            max3 = TVector.Max(TFormat.Load<TVector>(block + i + (3 * TVector.Count)), max3);
        }

        for (; i < count; i += TVector.Count)
        {
            max0 = TVector.Max(PartialVector<TVector, TLogit, TFormat>.Load(block + i, count - i), max0);
        }

        return TVector.Max(TVector.Max(max0, max1), TVector.Max(max2, max3)).Max() * TFormat.Scale;
    }

    /// <summary>
    /// Adds Σ exp(x'_i − m') to the sums, and what else is wanted, up to the first few logits of which one exceeds the reference or is
    /// too low, where low ones must be told apart. NaN is neither, unless the format hides it: then it is too low.
    /// </summary>
    /// <typeparam name="TCaps">Whether logits are capped.</typeparam>
    /// <typeparam name="TWeighs">Whether Σ (x'_i − m')·exp(x'_i − m') is wanted.</typeparam>
    /// <typeparam name="TTotals">Whether Σ x'_i is wanted: then a −inf logit is too low.</typeparam>
    /// <typeparam name="TKeeps">Whether the exponentials go to <paramref name="kept"/>, which may be the logits' own memory.</typeparam>
    /// <typeparam name="TWrites">
    /// Whether as many gradients are written beside it, from <paramref name="write"/> on, which is moved on: it must have
    /// <paramref name="count"/> of them, aligned.
    /// </typeparam>
    /// <returns>How many logits were summed: all, or fewer.</returns>
    [MethodImpl(Jit.HotLoop)]
    [SuppressMessage("Design", "MA0051", Justification = "One loop, whose registers must all be in sight of the compiler.")]
    public static int SumExponentials<TCaps, TWeighs, TTotals, TKeeps, TWrites>(
        TLogit* block, int count, in AffineExponent exponent, float* kept, ref ExponentialStream<TLogit> write, ref LogSumExpState sums)
        where TCaps : struct, IFlag
        where TWeighs : struct, IFlag
        where TTotals : struct, IFlag
        where TKeeps : struct, IFlag
        where TWrites : struct, IFlag
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, TCaps>(in exponent);
        var writeMath = new SimdExponent<TVector, TLogit, TFormat, Off>(in write.Exponent);
        TVector writeFactor = TVector.Create(write.Factor), writeMinusUniform = TVector.Create(-write.Uniform);
        TVector margin = TVector.Create(exponent.Margin), lowest = TVector.Create(LowBound<TTotals>(in exponent));
        TLogit* source = write.Source, destination = write.Destination;
        int step = Unroll * TVector.Count, i = 0;
        bool stops = false;
        while (count - i >= step && !stops)
        {
            TVector sum = TVector.Create(0), weighted = sum, total = sum;
            int end = i + Math.Min(StepsPerSum * step, (count - i) / step * step);
            do
            {
                if (typeof(TWrites) == typeof(On) || sizeof(TLogit) < sizeof(float))
                {
                    PrefetchStep(block + i + PrefetchDistance);
                }

                TFormat.LoadTwo(block + i, out TVector x0, out TVector x1);
                TFormat.LoadTwo(block + i + (2 * TVector.Count), out TVector x2, out TVector x3);
                TVector u0 = math.U(x0), u1 = math.U(x1), u2 = math.U(x2), u3 = math.U(x3);
                TVector largest = TVector.Max(TVector.Max(u0, u1), TVector.Max(u2, u3));
                stops = TVector.AnyGreater(largest, typeof(TCaps) == typeof(On) ? margin : TVector.Create(AffineExponent.LargestExcess));
                if (typeof(TTotals) == typeof(On))
                {
                    stops |= TVector.AnyGreater(lowest, TVector.Min(TVector.Min(u0, u1), TVector.Min(u2, u3)));
                }
                else if (TFormat.HidesNaN)
                {
                    stops |= TFormat.HideNaN<TVector>(block + i);
                }

                if (stops)
                {
                    break;
                }

                if (typeof(TCaps) == typeof(On))
                {
                    x0 = u0 = math.T(x0, u0);
                    x1 = u1 = math.T(x1, u1);
                    x2 = u2 = math.T(x2, u2);
                    x3 = u3 = math.T(x3, u3);
                }

                if (typeof(TTotals) == typeof(On))
                {
                    // In double: floats of 100 lose 1e-6 of a loss where their roundings have one sign.
                    TVector first = TVector.AddDoubles(TVector.AddHalves(x0), TVector.AddHalves(x1));
                    TVector second = TVector.AddDoubles(TVector.AddHalves(x2), TVector.AddHalves(x3));
                    total = TVector.AddDoubles(total, TVector.AddDoubles(first, second));
                }

                TVector exp0 = Term<TWeighs>(u0, ref weighted);
                TVector exp1 = Term<TWeighs>(u1, ref weighted);
                TVector exp2 = Term<TWeighs>(u2, ref weighted);
                TVector exp3 = Term<TWeighs>(u3, ref weighted);
                sum += (exp0 + exp1) + (exp2 + exp3);
                if (typeof(TKeeps) == typeof(On))
                {
                    Keep(kept + i, exp0, exp1);
                    Keep(kept + i + (2 * TVector.Count), exp2, exp3);
                }

                if (typeof(TWrites) == typeof(On))
                {
                    GradientLoops<TVector, TLogit, TFormat>.WriteFour<On>(in writeMath, source, writeFactor, writeMinusUniform, destination);
                    source += step;
                    destination += step;
                }

                i += step;
            }
            while (i < end);

            Add<TCaps, TWeighs, TTotals>(sum, weighted, total, in exponent, ref sums);
        }

        write.Source = source;
        write.Destination = destination;
        if (!stops && i < count)
        {
            i += SumRest<TCaps, TWeighs, TTotals, TKeeps>(block + i, count - i, in exponent, kept + i, ref sums);
        }

        if (typeof(TTotals) == typeof(On))
        {
            sums.Unmasked += i;
            sums.Total += typeof(TCaps) == typeof(On) ? i * exponent.CappedReference * LogSumExpState.TotalScale : 0;
        }

        return i;
    }

    /// <summary>As <see cref="SumExponentials"/>, for less than a step.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static int SumRest<TCaps, TWeighs, TTotals, TKeeps>(
        TLogit* block, int count, in AffineExponent exponent, float* kept, ref LogSumExpState sums)
        where TCaps : struct, IFlag
        where TWeighs : struct, IFlag
        where TTotals : struct, IFlag
        where TKeeps : struct, IFlag
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, TCaps>(in exponent);
        TVector margin = TVector.Create(exponent.Margin), lowest = TVector.Create(LowBound<TTotals>(in exponent));
        for (int i = 0; i < count; i += TVector.Count)
        {
            int rest = Math.Min(TVector.Count, count - i);
            TVector x = PartialVector<TVector, TLogit, TFormat>.Load(block + i, rest), u = math.U(x);
            if (TVector.AnyGreater(u, margin) || ((typeof(TTotals) == typeof(On) || TFormat.HidesNaN) && TVector.AnyGreater(lowest, u)))
            {
                return i;
            }

            if (typeof(TCaps) == typeof(On))
            {
                x = u = math.T(x, u);
            }

            TVector weighted = TVector.Create(0);
            TVector exponential = Term<TWeighs>(u, ref weighted);
            Add<TCaps, TWeighs, TTotals>(
                PartialVector<TVector, TLogit, TFormat>.Clear(exponential, rest),
                PartialVector<TVector, TLogit, TFormat>.Clear(weighted, rest),
                TVector.AddHalves(PartialVector<TVector, TLogit, TFormat>.Clear(x, rest)),
                in exponent,
                ref sums);
            if (typeof(TKeeps) == typeof(On))
            {
                PartialVector<TVector, float, FloatFormat>.Store(exponential, kept + i, rest);
            }
        }

        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Term<TWeighs>(TVector t, ref TVector weighted)
        where TWeighs : struct, IFlag
    {
        if (typeof(TWeighs) == typeof(Off))
        {
            return Exp2<TVector>.Pow2(t);
        }

        t = TVector.Max(TVector.Create(LogSumExpState.LowestShift), t);
        TVector exponential = Exp2<TVector>.Pow2(t);
        weighted = TVector.MultiplyAdd(t, exponential, weighted);
        return exponential;
    }

    private static float LowBound<TTotals>(in AffineExponent exponent)
        where TTotals : struct, IFlag
        => typeof(TTotals) == typeof(On) ? SimdExponent<TVector, TLogit, TFormat, Off>.MaskBound(in exponent)
            : TFormat.HidesNaN ? SimdExponent<TVector, TLogit, TFormat, Off>.NaNBound(in exponent)
            : float.NegativeInfinity;

    /// <summary>Widens what lanes added up of powers of 2, and adds what they added up, widened already, of these or, without a cap, of logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TCaps, TWeighs, TTotals>(
        TVector sum, TVector weighted, TVector total, in AffineExponent exponent, ref LogSumExpState sums)
        where TCaps : struct, IFlag
        where TWeighs : struct, IFlag
        where TTotals : struct, IFlag
    {
        sums.Sum += TVector.Sum(sum);
        if (typeof(TWeighs) == typeof(On))
        {
            sums.WeightedSum += TVector.Sum(weighted) / AffineExponent.Log2E;
        }

        if (typeof(TTotals) == typeof(On))
        {
            sums.Total += TVector.SumOfDoubles(total) * ((typeof(TCaps) == typeof(On) ? exponent.Unit : TFormat.Scale) * LogSumExpState.TotalScale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep(float* kept, TVector first, TVector second)
    {
        first.Store(kept);
        second.Store(kept + TVector.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchStep(TLogit* address)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < Unroll * TVector.Count; i += GradientLoops<TVector, TLogit, TFormat>.LogitsPerLine)
            {
                Sse.Prefetch0(address + i);
            }
        }
    }
}
