using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Benchmarks;

/// <summary>
/// What the arithmetic and the memory allow together: the library's exponentials, relative to a reference that is the same for
/// all logits, with no maximum searched and nothing checked. Such a loop fails on logits far from its reference.
/// </summary>
internal abstract class BareLoop
{
    public abstract double Total();

    public abstract double TotalWithGradientInPlace();

    /// <summary>The gradient is written past the caches, where rows are aligned for it.</summary>
    public abstract double TotalWithGradient();

    public static BareLoop For(LossProblem problem, int threads)
        => Vector512.IsHardwareAccelerated ? new BareLoop<SimdFloat512>(problem, threads)
            : Vector256.IsHardwareAccelerated ? new BareLoop<SimdFloat256>(problem, threads)
            : new BareLoop<SimdFloat128>(problem, threads);
}

/// <summary>The loop over registers of one width.</summary>
internal sealed unsafe class BareLoop<TVector>(LossProblem problem, int threads) : BareLoop
    where TVector : struct, ISimdFloat<TVector>
{
    private const float Reference = 10;
    private const float Log2E = 1.44269504f;

    private static int Step => 4 * TVector.Count;

    public override double Total() => Total(token =>
    {
        float* row = RowOf(problem.Logits, token);
        return LossOf(row, token, Sum<Off>(row, problem.Shape.VocabularySize));
    });

    public override double TotalWithGradientInPlace() => Total(token =>
    {
        float* row = RowOf(problem.Gradient, token);
        float target = row[problem.Targets[token]];
        double sum = Sum<On>(row, problem.Shape.VocabularySize);
        Scale(row, problem.Shape.VocabularySize, (float)(problem.Scale / sum));
        row[problem.Targets[token]] -= (float)problem.Scale;
        return Reference + Math.Log(sum) - target;
    });

    public override double TotalWithGradient() => Total(token =>
    {
        float* row = RowOf(problem.Logits, token), gradient = RowOf(problem.Gradient, token);
        double sum = Sum<Off>(row, problem.Shape.VocabularySize);
        Write(row, gradient, problem.Shape.VocabularySize, (float)(problem.Scale / sum));
        gradient[problem.Targets[token]] -= (float)problem.Scale;
        return LossOf(row, token, sum);
    });

    [MethodImpl(Jit.HotLoop)]
    private static double Sum<TStores>(float* row, int count)
        where TStores : struct, IFlag
    {
        var power = new Exp2<TVector>(Exp2Coefficients.Load());
        TVector rate = TVector.Create(Log2E), offset = TVector.Create(-Log2E * Reference);
        TVector sum0 = TVector.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        int i = 0;
        for (; i <= count - Step; i += Step)
        {
            float* x = row + i;
            TVector exp0 = power.Of(TVector.MultiplyAdd(TVector.Load(x), rate, offset));
            TVector exp1 = power.Of(TVector.MultiplyAdd(TVector.Load(x + TVector.Count), rate, offset));
            TVector exp2 = power.Of(TVector.MultiplyAdd(TVector.Load(x + (2 * TVector.Count)), rate, offset));
            TVector exp3 = power.Of(TVector.MultiplyAdd(TVector.Load(x + (3 * TVector.Count)), rate, offset));
            if (typeof(TStores) == typeof(On))
            {
                exp0.Store(x);
                exp1.Store(x + TVector.Count);
                exp2.Store(x + (2 * TVector.Count));
                exp3.Store(x + (3 * TVector.Count));
            }

            sum0 += exp0;
            sum1 += exp1;
            sum2 += exp2;
            sum3 += exp3;
        }

        double sum = SumOf((sum0 + sum1) + (sum2 + sum3));
        for (; i < count; i++)
        {
            float exponential = MathF.Exp(row[i] - Reference);
            row[i] = typeof(TStores) == typeof(On) ? exponential : row[i];
            sum += exponential;
        }

        return sum;
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Scale(float* row, int count, float factor)
    {
        TVector factors = TVector.Create(factor);
        int i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            (TVector.Load(row + i) * factors).Store(row + i);
        }

        for (; i < count; i++)
        {
            row[i] *= factor;
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Write(float* row, float* gradient, int count, float factor)
    {
        var power = new Exp2<TVector>(Exp2Coefficients.Load());
        TVector rate = TVector.Create(Log2E), offset = TVector.Create(-Log2E * Reference), factors = TVector.Create(factor);
        int i = 0, end = (nint)gradient % AlignedFloats.Alignment == 0 ? count - Step : -1;
        for (; i <= end; i += Step)
        {
            float* x = row + i, g = gradient + i;
            TVector exp0 = power.Of(TVector.MultiplyAdd(TVector.Load(x), rate, offset));
            TVector exp1 = power.Of(TVector.MultiplyAdd(TVector.Load(x + TVector.Count), rate, offset));
            TVector exp2 = power.Of(TVector.MultiplyAdd(TVector.Load(x + (2 * TVector.Count)), rate, offset));
            TVector exp3 = power.Of(TVector.MultiplyAdd(TVector.Load(x + (3 * TVector.Count)), rate, offset));
            (exp0 * factors).StoreNonTemporal(g);
            (exp1 * factors).StoreNonTemporal(g + TVector.Count);
            (exp2 * factors).StoreNonTemporal(g + (2 * TVector.Count));
            (exp3 * factors).StoreNonTemporal(g + (3 * TVector.Count));
        }

        for (; i < count; i++)
        {
            gradient[i] = factor * MathF.Exp(row[i] - Reference);
        }

        Thread.MemoryBarrier(); // or the target's gradient could be subtracted from what was there before
    }

    private static double SumOf(TVector sums) => TVector.SumOfDoubles(TVector.AddHalves(sums));

    private float* RowOf(AlignedFloats matrix, int token) => matrix.Pointer + ((long)token * problem.Shape.VocabularySize);

    private double LossOf(float* row, int token, double sum) => Reference + Math.Log(sum) - row[problem.Targets[token]];

    private double Total(Func<int, double> rowLoss)
        => LossProblem.RlLoss + (LossProblem.Coefficient * problem.Mean(threads, rowLoss));
}
