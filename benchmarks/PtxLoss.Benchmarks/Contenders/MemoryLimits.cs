using System.Runtime.Intrinsics;
using PtxLosses.Simd;

namespace PtxLosses.Benchmarks;

/// <summary>
/// What the memory allows: the least that must happen to the logits, with the widest vectors there are, shared by rows among
/// threads as the library shares them. Reading a row from start to end is not the fastest order on every processor, so there is
/// another: its four quarters side by side. The limit is whichever is faster.
/// </summary>
internal abstract class MemoryLimits
{
    /// <summary>Reads: the largest logit.</summary>
    public abstract float Max(bool byQuarters);

    /// <summary>Reads and writes the same memory: the gradient's, times 1.</summary>
    public abstract void MultiplyInPlace();

    /// <summary>Reads the logits and writes them to the gradient's memory past the caches.</summary>
    public abstract void CopyNonTemporal(bool byQuarters);

    public static MemoryLimits For(LossProblem problem, int threads)
        => Vector512.IsHardwareAccelerated ? new MemoryLimits<SimdFloat512>(problem, threads)
            : Vector256.IsHardwareAccelerated ? new MemoryLimits<SimdFloat256>(problem, threads)
            : new MemoryLimits<SimdFloat128>(problem, threads);
}

/// <summary>The limits over registers of one width.</summary>
internal sealed unsafe class MemoryLimits<TVector>(LossProblem problem, int threads) : MemoryLimits
    where TVector : struct, ISimdFloat<TVector>
{
    private const int LineLength = AlignedFloats.Alignment / sizeof(float);

    private readonly float[] _maxima = new float[problem.Shape.Tokens];

    /// <summary>1, which the compiler must not know.</summary>
    private readonly float _factor = MathF.Min(threads, 1);

    public override float Max(bool byQuarters)
    {
        problem.ForEachRow(threads, token =>
        {
            var (start, length) = Row(token);
            var (gap, step, end) = Order(length, byQuarters);
            float* row = problem.Logits.Pointer + start;
            TVector a = TVector.Create(float.NegativeInfinity), b = a, c = a, d = a;
            for (long i = 0; i < end; i += step)
            {
                a = TVector.Max(a, TVector.Load(row + i));
                b = TVector.Max(b, TVector.Load(row + gap + i));
                c = TVector.Max(c, TVector.Load(row + (2 * gap) + i));
                d = TVector.Max(d, TVector.Load(row + (3 * gap) + i));
            }

            for (long i = end / step * 4 * TVector.Count; i < length; i += TVector.Count)
            {
                a = TVector.Max(a, TVector.Load(row + i));
            }

            _maxima[token] = TVector.Max(TVector.Max(a, b), TVector.Max(c, d)).Max();
        });
        return _maxima.Max();
    }

    public override void MultiplyInPlace() => problem.ForEachRow(threads, token =>
    {
        var (start, length) = Row(token);
        TVector factor = TVector.Create(_factor);
        for (float* x = problem.Gradient.Pointer + start, end = x + length; x < end; x += TVector.Count)
        {
            (TVector.Load(x) * factor).Store(x);
        }
    });

    public override void CopyNonTemporal(bool byQuarters) => problem.ForEachRow(threads, token =>
    {
        var (start, length) = Row(token);
        var (gap, step, end) = Order(length, byQuarters);
        float* from = problem.Logits.Pointer + start, to = problem.Gradient.Pointer + start;
        for (long i = 0; i < end; i += step)
        {
            TVector.Load(from + i).StoreNonTemporal(to + i);
            TVector.Load(from + gap + i).StoreNonTemporal(to + gap + i);
            TVector.Load(from + (2 * gap) + i).StoreNonTemporal(to + (2 * gap) + i);
            TVector.Load(from + (3 * gap) + i).StoreNonTemporal(to + (3 * gap) + i);
        }

        for (long i = end / step * 4 * TVector.Count; i < length; i += TVector.Count)
        {
            TVector.Load(from + i).StoreNonTemporal(to + i);
        }
    });

    /// <summary>How four registers go through a row: how far apart they are, their step, and where the first one ends.</summary>
    private static (long Gap, long Step, long End) Order(long length, bool byQuarters)
    {
        long quarter = length / 4 / LineLength * LineLength, four = 4 * TVector.Count;
        return byQuarters ? (quarter, TVector.Count, quarter) : (TVector.Count, four, length / four * four);
    }

    /// <summary>
    /// The cache lines that start in a row, as floats: non-temporal stores write whole ones. The last of all is left out if it is
    /// not whole.
    /// </summary>
    private (long Start, long Length) Row(int token)
    {
        long start = Line((long)token * problem.Shape.VocabularySize), end = Line((token + 1L) * problem.Shape.VocabularySize);
        return (start, end - start);

        static long Line(long index) => index / LineLength * LineLength;
    }
}
