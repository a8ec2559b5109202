using System.Numerics;

namespace PtxLosses.Internals;

/// <summary>Shares the rows of a pass among threads and adds up their losses.</summary>
internal static unsafe class RowScheduler
{
    /// <summary>Fewer logits than this are visited sooner by one thread than it takes to wake another.</summary>
    private const long LogitsPerThread = 32 * 1024;

    /// <summary>
    /// Visits all rows. Returns Σ loss, added in the order of the tokens in double, so that it does not depend on which thread
    /// visited which row.
    /// </summary>
    public static double Run<TLogit, TTarget>(in RowPass<TLogit, TTarget> pass, int maxDegreeOfParallelism)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        long logits = pass.Tokens * pass.Logits.VocabularySize;
        int threads = maxDegreeOfParallelism < 0 ? Environment.ProcessorCount : maxDegreeOfParallelism;
        threads = (int)Math.Min(threads, Math.Min(pass.Tokens, logits / LogitsPerThread));
        return threads > 1 ? RunParallel(pass, threads) : RunHere(pass);
    }

    private static double RunHere<TLogit, TTarget>(in RowPass<TLogit, TTarget> pass)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        double sum = 0;
        for (long token = 0; token < pass.Tokens; token++)
        {
            sum += pass.Visit(token);
        }

        return sum;
    }

    private static double RunParallel<TLogit, TTarget>(RowPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        double[] losses = new double[pass.Tokens];
        Parallel.For(
            0L,
            pass.Tokens,
            new ParallelOptions { MaxDegreeOfParallelism = threads },
            token => losses[token] = pass.Visit(token));

        double sum = 0;
        foreach (double loss in losses)
        {
            sum += loss;
        }

        return sum;
    }
}
