using System.Numerics;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>Shares the rows of a pass among threads and adds up their losses.</summary>
/// <remarks>
/// What a row comes to does not depend on who visits it, and the losses are added in the order of the tokens, in double: so no
/// result depends on the number of threads.
/// </remarks>
internal static class BatchScheduler
{
    /// <summary>Fewer logits than this are visited sooner by one thread than it takes to wake another.</summary>
    private const int LogitsPerThread = 32 * 1024;

    /// <summary>With fewer rows per thread than this, whole rows would leave threads idle at the end.</summary>
    private const int RowsPerThread = 8;

    /// <summary>A thread takes neighbouring rows, as far as there are enough: reading goes on where it was.</summary>
    private const int RowsAtATime = 16;

    /// <summary>Visits all rows and returns the sums of their losses.</summary>
    public static TokenLosses Run<TLogit, TTarget>(in BatchPass<TLogit, TTarget> pass)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        long logits = pass.Tokens * pass.VocabularySize;
        long threads = Math.Min(ParallelLoop.Threads(pass.MaxDegreeOfParallelism), logits / LogitsPerThread);
        if (threads <= 1 || pass.Tokens > Array.MaxLength)
        {
            return RunHere(pass);
        }

        return pass.Tokens < threads * RowsPerThread && pass.SegmentsPerRow > 1
            ? RunSegments(pass, (int)threads)
            : RunRows(pass, (int)threads);
    }

    private static TokenLosses RunHere<TLogit, TTarget>(in BatchPass<TLogit, TTarget> pass)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => pass.Visit(0, pass.Tokens, []);

    /// <summary>Threads take rows, several at a time.</summary>
    private static TokenLosses RunRows<TLogit, TTarget>(BatchPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        var losses = new TokenLosses[pass.Tokens];
        long rows = Math.Clamp(pass.Tokens / (threads * RowsPerThread), 1, Math.Max(RowsAtATime, LogitsPerThread / pass.VocabularySize));
        ParallelLoop.Run((pass.Tokens + rows - 1) / rows, threads, chunk =>
        {
            int first = (int)(chunk * rows);
            int count = (int)Math.Min(rows, losses.Length - first);
            pass.Visit(first, count, losses.AsSpan(first, count));
        });

        return Sum(losses);
    }

    /// <summary>Few long rows: threads take segments, in two rounds, for a row's gradient needs all its segments' sums.</summary>
    private static TokenLosses RunSegments<TLogit, TTarget>(BatchPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        int segments = pass.SegmentsPerRow, runs = pass.RunsPerRow;
        var rows = new BatchPass<TLogit, TTarget>.Row[pass.Tokens];
        var states = new LogSumExpState[pass.Tokens * segments];
        var runsOfRows = new Run[pass.Tokens * runs];
        for (int token = 0; token < rows.Length; token++)
        {
            pass.Begin(token, out rows[token]);
        }

        Span<Run> RunsOf(int token) => runsOfRows.AsSpan(token * runs, runs);

        if (pass.NeedsReduction)
        {
            ParallelLoop.Run(states.Length, threads, i =>
            {
                int token = (int)(i / segments);
                if (!rows[token].IsIgnored)
                {
                    pass.Reduce(token, (int)(i % segments), RunsOf(token), out states[i]);
                }
            });

            for (int token = 0; token < rows.Length; token++)
            {
                if (!rows[token].IsIgnored)
                {
                    pass.End(token, ref rows[token], Append(states.AsSpan(token * segments, segments)));
                }
            }
        }

        if (pass.WantsGradient)
        {
            ParallelLoop.Run(states.Length, threads, i =>
            {
                int token = (int)(i / segments);
                pass.Differentiate(token, (int)(i % segments), rows[token], RunsOf(token));
                pass.Fence();
            });
        }

        return Sum(Array.ConvertAll(rows, row => pass.LossesOf(in row)));

        static LogSumExpState Append(ReadOnlySpan<LogSumExpState> parts)
        {
            LogSumExpState whole = parts[0];
            for (int i = 1; i < parts.Length; i++)
            {
                whole.Append(parts[i], i * BatchPass<TLogit, TTarget>.SegmentLength);
            }

            return whole;
        }
    }

    private static TokenLosses Sum(ReadOnlySpan<TokenLosses> losses)
    {
        TokenLosses sum = default;
        foreach (TokenLosses loss in losses)
        {
            sum += loss;
        }

        return sum;
    }
}
