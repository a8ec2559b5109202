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
    where TFormat : struct, IElementFormat<TLogit>
{
    /// <summary>Registers that are worked on side by side, to hide the latency of each step.</summary>
    private const int Unroll = 4;

    /// <summary>
    /// How many steps a lane adds in float, four terms each, before it is widened: beside a term of 1, each addition loses up to
    /// half an ulp of 1, so adversarial terms cost a sum less than 6e-7 of itself.
    /// </summary>
    private const int StepsPerSum = 8;

    /// <summary>
    /// How far ahead memory is asked for where the hardware does not see far enough: logits of 16 bits make it believe that less
    /// is wanted. With floats it costs more than it brings.
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
    /// Adds Σ exp(z_i − m') to the sums, and what else is wanted, of all logits, or up to the block that has one which exceeds
    /// the reference or is too low, where low ones must be told apart. NaN is neither, unless the format hides it: then it is
    /// too low.
    /// </summary>
    /// <typeparam name="TCaps">Whether logits are capped.</typeparam>
    /// <typeparam name="TEntropy">Whether Σ (z_i − m')·exp(z_i − m') is wanted.</typeparam>
    /// <typeparam name="TSumsLogits">Whether Σ z_i is wanted: then a −inf logit is too low.</typeparam>
    /// <typeparam name="TStores">Whether the exponentials are stored, times cap'(x) if logits are capped.</typeparam>
    /// <param name="row">The logits.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="exponent">What turns them into powers of 2.</param>
    /// <param name="stored">Where exponentials are stored, which may be the logits' own memory.</param>
    /// <param name="place">
    /// Where the first logit stands in the row if the largest is looked for, which it is not where exponentials are stored; or
    /// −1.
    /// </param>
    /// <param name="state">What is added to.</param>
    /// <returns>How many logits were summed: all, or fewer.</returns>
    [MethodImpl(Jit.HotLoop)]
    [SuppressMessage("Design", "MA0051", Justification = "One loop, whose registers must all be in sight of the compiler.")]
    public static int SumExponentials<TCaps, TEntropy, TSumsLogits, TStores>(
        TLogit* row, int count, in AffineExponent exponent, float* stored, int place, ref LogSumExpState state)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TSumsLogits : struct, IFlag
        where TStores : struct, IFlag
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, TCaps>(in exponent);
        var power = new Exp2<TVector>(Exp2Coefficients.Load());
        TVector margin = TVector.Create(exponent.Margin), maskBound = TVector.Create(LowBound<TSumsLogits>(in exponent));
        float largest = place < 0 ? float.PositiveInfinity : float.NegativeInfinity, bar = largest;
        int firstCandidate = 0, lastCandidate = 0;
        TVector fixedBound = TVector.Create(typeof(TSumsLogits) == typeof(On) ? FixedBound<TCaps>(in exponent) : 0);
        int step = Unroll * TVector.Count, inSteps = count / step * step, i = 0;
        bool stops = false;
        while (i < inSteps && !stops)
        {
            TVector sums = TVector.Create(0), weightedSums = sums, fixedLogits = sums, farLogits = sums;
            TVector highest = TVector.Create(float.NegativeInfinity);
            int start = i, blockEnd = Math.Min(i + SoftmaxKernel<TLogit>.BlockLength, inSteps);
            if (typeof(TStores) == typeof(On))
            {
                // Before exponentials are stored, perhaps over the logits.
                FindExtremes<TSumsLogits>(row + start, blockEnd - start, out TVector max, out TVector min);
                stops = TVector.AnyGreater(math.U(max), margin)
                    || (typeof(TSumsLogits) == typeof(On) && TVector.AnyGreater(maskBound, math.U(min)));
                if (stops)
                {
                    break;
                }
            }

            while (i < blockEnd && !stops)
            {
                TVector sum = TVector.Create(0), weighted = sum, fixed0 = sum, fixed1 = sum;
                int end = Math.Min(i + (StepsPerSum * step), blockEnd);
                do
                {
                    if (sizeof(TLogit) < sizeof(float))
                    {
                        PrefetchStep(row + i + PrefetchDistance);
                    }

                    TFormat.LoadTwo(row + i, out TVector x0, out TVector x1);
                    TFormat.LoadTwo(row + i + (2 * TVector.Count), out TVector x2, out TVector x3);
                    TVector u0 = math.U(x0), u1 = math.U(x1), u2 = math.U(x2), u3 = math.U(x3);

                    if (typeof(TStores) == typeof(Off))
                    {
                        // NaN is passed over: it is the left operand.
                        highest = TVector.Max(TVector.Max(TVector.Max(u0, u1), TVector.Max(u2, u3)), highest);
                    }

                    bool isFar = false;
                    if (typeof(TSumsLogits) == typeof(On))
                    {
                        TVector lowest = TVector.Min(TVector.Min(u0, u1), TVector.Min(u2, u3));
                        isFar = TVector.AnyGreater(fixedBound, lowest);
                        stops = isFar && TVector.AnyGreater(maskBound, lowest);
                    }
                    else if (TFormat.HidesNaN)
                    {
                        stops = TFormat.HideNaN<TVector>(row + i);
                    }

                    if (stops)
                    {
                        break;
                    }

                    TVector slope0 = default, slope1 = default, slope2 = default, slope3 = default;
                    if (typeof(TCaps) == typeof(On))
                    {
                        x0 = u0 = T<TCaps, TStores>(in math, x0, u0, out slope0);
                        x1 = u1 = T<TCaps, TStores>(in math, x1, u1, out slope1);
                        x2 = u2 = T<TCaps, TStores>(in math, x2, u2, out slope2);
                        x3 = u3 = T<TCaps, TStores>(in math, x3, u3, out slope3);
                    }

                    if (typeof(TSumsLogits) == typeof(On))
                    {
                        x0 = Scaled<TCaps>(x0);
                        x1 = Scaled<TCaps>(x1);
                        x2 = Scaled<TCaps>(x2);
                        x3 = Scaled<TCaps>(x3);
                        if (isFar)
                        {
                            TVector first = TVector.AddDoubles(TVector.AddHalves(x0), TVector.AddHalves(x1));
                            TVector second = TVector.AddDoubles(TVector.AddHalves(x2), TVector.AddHalves(x3));
                            farLogits = TVector.AddDoubles(farLogits, TVector.AddDoubles(first, second));
                        }
                        else
                        {
                            fixed0 = TVector.AddFixed(TVector.AddFixed(fixed0, x0), x1);
                            fixed1 = TVector.AddFixed(TVector.AddFixed(fixed1, x2), x3);
                        }
                    }

                    TVector exp0 = Term<TEntropy>(in power, u0, ref weighted);
                    TVector exp1 = Term<TEntropy>(in power, u1, ref weighted);
                    TVector exp2 = Term<TEntropy>(in power, u2, ref weighted);
                    TVector exp3 = Term<TEntropy>(in power, u3, ref weighted);
                    sum += (exp0 + exp1) + (exp2 + exp3);
                    if (typeof(TStores) == typeof(On))
                    {
                        bool caps = typeof(TCaps) == typeof(On);
                        StoreTwo(stored + i, caps ? exp0 * slope0 : exp0, caps ? exp1 * slope1 : exp1);
                        StoreTwo(
                            stored + i + (2 * TVector.Count), caps ? exp2 * slope2 : exp2, caps ? exp3 * slope3 : exp3);
                    }

                    i += step;
                }
                while (i < end);

                sums = TVector.AddDoubles(sums, TVector.AddHalves(sum));
                if (typeof(TEntropy) == typeof(On))
                {
                    weightedSums = TVector.AddDoubles(weightedSums, TVector.AddHalves(weighted));
                }

                if (typeof(TSumsLogits) == typeof(On))
                {
                    fixedLogits = TVector.AddDoubles(
                        fixedLogits, TVector.AddDoubles(TVector.AddFixedHalves(fixed0), TVector.AddFixedHalves(fixed1)));
                }
            }

            if (typeof(TStores) == typeof(Off) && (stops || TVector.AnyGreater(highest, margin)))
            {
                stops = true;
                i = start;
                break;
            }

            // The largest logit is in a block with the largest exponent. There may be several: unequal logits are rounded alike.
            if (typeof(TStores) == typeof(Off) && TVector.AnyGreater(highest, TVector.Create(bar)))
            {
                float max = highest.Max();
                firstCandidate = max > largest ? start : firstCandidate;
                lastCandidate = i;
                largest = max > largest ? max : largest;

                // A little below; MathF.BitDecrement would be a call, across which no register is kept.
                bar = largest - ((largest < 0 ? -largest : largest) * 1e-6f) - 1e-30f;
            }

            double logitSum = typeof(TSumsLogits) == typeof(Off) ? 0
                : (TVector.SumOfDoubles(fixedLogits) / FixedPoint.UnitsPerOne) + TVector.SumOfDoubles(farLogits);
            Add<TCaps, TEntropy, TSumsLogits>(sums, weightedSums, logitSum, in exponent, ref state);
        }

        if (place >= 0)
        {
            FindMax(row + firstCandidate, lastCandidate - firstCandidate, place + firstCandidate, ref state);
        }

        if (!stops && i < count)
        {
            int rest = SumRest<TCaps, TEntropy, TSumsLogits, TStores>(row + i, count - i, in exponent, stored + i, ref state);
            if (place >= 0)
            {
                FindMax(row + i, rest, place + i, ref state);
            }

            i += rest;
        }

        if (typeof(TSumsLogits) == typeof(On))
        {
            state.Unmasked += i;
            state.LogitSum += typeof(TCaps) == typeof(On) ? i * exponent.TransformedReference * LogSumExpState.LogitSumScale : 0;
        }

        return i;
    }

    /// <summary>
    /// Finds the largest logit so far, and where the block that has it starts: its own place is found once, at the end of the
    /// row.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void FindMax(TLogit* block, int count, int place, ref LogSumExpState state)
    {
        float max = Max(block, count);
        if (max > TFormat.MinusInfinity && max > state.Max)
        {
            state.Max = max;
            state.ArgMax = place;
        }
    }

    /// <summary>The largest of whole steps of logits in each lane and, if wanted, the smallest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FindExtremes<TMin>(TLogit* block, int count, out TVector max, out TVector min)
        where TMin : struct, IFlag
    {
        (max, min) = (TVector.Create(float.NegativeInfinity), TVector.Create(float.PositiveInfinity));
        for (int i = 0; i < count; i += Unroll * TVector.Count)
        {
            TFormat.LoadTwo(block + i, out TVector x0, out TVector x1);
            TFormat.LoadTwo(block + i + (2 * TVector.Count), out TVector x2, out TVector x3);
            max = TVector.Max(TVector.Max(TVector.Max(x0, x1), TVector.Max(x2, x3)), max);
            if (typeof(TMin) == typeof(On))
            {
                min = TVector.Min(TVector.Min(TVector.Min(x0, x1), TVector.Min(x2, x3)), min);
            }
        }
    }

    /// <summary>As <see cref="SumExponentials"/>, for less than a step.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static int SumRest<TCaps, TEntropy, TSumsLogits, TStores>(
        TLogit* block, int count, in AffineExponent exponent, float* stored, ref LogSumExpState state)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TSumsLogits : struct, IFlag
        where TStores : struct, IFlag
    {
        var math = new SimdExponent<TVector, TLogit, TFormat, TCaps>(in exponent);
        var power = new Exp2<TVector>(Exp2Coefficients.Load());
        TVector margin = TVector.Create(exponent.Margin), maskBound = TVector.Create(LowBound<TSumsLogits>(in exponent));
        for (int i = 0; i < count; i += TVector.Count)
        {
            int rest = Math.Min(TVector.Count, count - i);
            TVector x = PartialVector<TVector, TLogit, TFormat>.Load(block + i, rest), u = math.U(x);
            if (TVector.AnyGreater(u, margin)
                || ((typeof(TSumsLogits) == typeof(On) || TFormat.HidesNaN) && TVector.AnyGreater(maskBound, u)))
            {
                return i;
            }

            TVector slope = default;
            if (typeof(TCaps) == typeof(On))
            {
                x = u = T<TCaps, TStores>(in math, x, u, out slope);
            }

            TVector weighted = TVector.Create(0);
            TVector exponential = Term<TEntropy>(in power, u, ref weighted);
            Add<TCaps, TEntropy, TSumsLogits>(
                TVector.AddHalves(PartialVector<TVector, TLogit, TFormat>.Clear(exponential, rest)),
                TVector.AddHalves(PartialVector<TVector, TLogit, TFormat>.Clear(weighted, rest)),
                TVector.SumOfDoubles(TVector.AddHalves(PartialVector<TVector, TLogit, TFormat>.Clear(Scaled<TCaps>(x), rest))),
                in exponent,
                ref state);
            if (typeof(TStores) == typeof(On))
            {
                TVector kept = typeof(TCaps) == typeof(On) ? exponential * slope : exponential;
                PartialVector<TVector, float, FloatFormat>.Store(kept, stored + i, rest);
            }
        }

        return count;
    }

    /// <summary>t and, where exponentials are stored, what they are multiplied by then: cap'.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector T<TCaps, TStores>(
        in SimdExponent<TVector, TLogit, TFormat, TCaps> math, TVector x, TVector u, out TVector slope)
        where TCaps : struct, IFlag
        where TStores : struct, IFlag
    {
        if (typeof(TStores) == typeof(On))
        {
            return math.T(x, u, out slope);
        }

        slope = default;
        return math.T(x, u);
    }

    /// <summary>What is added up of a logit: its value, or with a cap t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Scaled<TCaps>(TVector x)
        where TCaps : struct, IFlag
        => typeof(TCaps) == typeof(On) || TFormat.Scale == 1 ? x : TVector.Multiply(x, TFormat.Scale);

    /// <summary>
    /// Down to this u, logits can be added in fixed point: none is further than <see cref="FixedPoint.Limit"/> from 0. What is
    /// too low is always below.
    /// </summary>
    private static float FixedBound<TCaps>(in AffineExponent exponent)
        where TCaps : struct, IFlag
    {
        bool isWithin = typeof(TCaps) == typeof(On)
            ? exponent.Amplitude <= FixedPoint.Limit // t is not below −Amplitude
            : exponent.ApproximateU(FixedPoint.Limit, TVector.Fuses) >= exponent.Margin;
        return !isWithin ? float.PositiveInfinity
            : typeof(TCaps) == typeof(On) ? LowBound<On>(in exponent)
            : MathF.Max(LowBound<On>(in exponent), exponent.ApproximateU(-FixedPoint.Limit, TVector.Fuses));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Term<TEntropy>(in Exp2<TVector> power, TVector t, ref TVector weighted)
        where TEntropy : struct, IFlag
    {
        if (typeof(TEntropy) == typeof(Off))
        {
            return power.Of(t);
        }

        t = TVector.Max(TVector.Create(LogSumExpState.LowestShift), t);
        TVector exponential = power.Of(t);
        weighted = TVector.MultiplyAdd(t, exponential, weighted);
        return exponential;
    }

    private static float LowBound<TSumsLogits>(in AffineExponent exponent)
        where TSumsLogits : struct, IFlag
        => typeof(TSumsLogits) == typeof(On) ? SimdExponent<TVector, TLogit, TFormat, Off>.MaskBound(in exponent)
            : TFormat.HidesNaN ? SimdExponent<TVector, TLogit, TFormat, Off>.NaNBound(in exponent)
            : float.NegativeInfinity;

    /// <summary>Adds what lanes added up of powers of 2, widened already, and the sum of logits or, with a cap, of t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TCaps, TEntropy, TSumsLogits>(
        TVector sums, TVector weightedSums, double logitSum, in AffineExponent exponent, ref LogSumExpState state)
        where TCaps : struct, IFlag
        where TEntropy : struct, IFlag
        where TSumsLogits : struct, IFlag
    {
        state.Sum += TVector.SumOfDoubles(sums);
        if (typeof(TEntropy) == typeof(On))
        {
            state.WeightedSum += TVector.SumOfDoubles(weightedSums) / AffineExponent.Log2E;
        }

        if (typeof(TSumsLogits) == typeof(On))
        {
            double unit = typeof(TCaps) == typeof(On) ? exponent.Unit : exponent.Scale;
            state.LogitSum += logitSum * (unit * LogSumExpState.LogitSumScale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTwo(float* stored, TVector first, TVector second)
    {
        first.Store(stored);
        second.Store(stored + TVector.Count);
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
