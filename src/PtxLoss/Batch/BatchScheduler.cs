using System.Numerics;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>Shares the rows of a pass among threads and adds up their losses.</summary>
/// <remarks>
/// What a row comes to does not depend on who visits it, and the losses are added in the order of the rows, in double: so no
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
        long logits = pass.Rows * pass.VocabularySize;
        long threads = Math.Min(ParallelLoop.Threads(pass.MaxDegreeOfParallelism), logits / LogitsPerThread);
        if (threads <= 1 || pass.Rows * pass.NumbersPerRow > Array.MaxLength)
        {
            return RunHere(pass);
        }

        return pass.Rows < threads * RowsPerThread && pass.SegmentsPerRow > 1
            ? RunSegments(pass, (int)threads)
            : RunRows(pass, (int)threads);
    }

    private static TokenLosses RunHere<TLogit, TTarget>(in BatchPass<TLogit, TTarget> pass)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => pass.Visit(0, pass.Rows, [], RoomForTargets(in pass, threads: 1));

    /// <summary>Threads take rows, several at a time.</summary>
    private static TokenLosses RunRows<TLogit, TTarget>(BatchPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        int numbers = pass.NumbersPerRow;
        double[] losses = new double[pass.Rows * numbers];
        RowTarget[] targets = RoomForTargets(in pass, threads);
        int ofThread = targets.Length / threads;
        long rows = Math.Clamp(
            pass.Rows / (threads * RowsPerThread), 1, Math.Max(RowsAtATime, LogitsPerThread / pass.VocabularySize));
        ParallelLoop.Run((pass.Rows + rows - 1) / rows, threads, (chunk, worker) =>
        {
            int first = (int)(chunk * rows);
            int count = (int)Math.Min(rows, pass.Rows - first);
            pass.Visit(
                first, count, losses.AsSpan(first * numbers, count * numbers), targets.AsSpan(worker * ofThread, ofThread));
        });

        TokenLosses sum = default;
        for (int i = 0; i < losses.Length; i += numbers)
        {
            sum += TokenLosses.Load(losses.AsSpan(i, numbers));
        }

        return sum;
    }

    /// <summary>Few long rows: threads take segments, in two rounds, for a row's gradient needs all its segments' sums.</summary>
    private static TokenLosses RunSegments<TLogit, TTarget>(BatchPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        int segments = pass.SegmentsPerRow, runs = pass.RunsPerRow;
        var rows = new BatchPass<TLogit, TTarget>.Row[pass.Rows];
        var states = new LogSumExpState[pass.Rows * segments];
        var runsOfRows = new Run[pass.Rows * runs];
        var targetsOfRows = new RowTarget[pass.Rows * pass.TargetsPerRow];
        for (int row = 0; row < rows.Length; row++)
        {
            pass.Begin(row, RoomOf(row), out rows[row]);
        }

        BatchPass<TLogit, TTarget>.RowRoom RoomOf(int row)
            => new(runsOfRows.AsSpan(row * runs, runs), targetsOfRows.AsSpan(row * pass.TargetsPerRow, pass.TargetsPerRow));

        if (pass.NeedsReduction)
        {
            ParallelLoop.Run(states.Length, threads, i =>
            {
                int row = (int)(i / segments);
                if (!rows[row].IsIgnored)
                {
                    pass.Reduce(row, (int)(i % segments), RoomOf(row), out states[i]);
                }
            });

            for (int row = 0; row < rows.Length; row++)
            {
                if (!rows[row].IsIgnored)
                {
                    LogSumExpState state = Append(
                        states.AsSpan(row * segments, segments), BatchPass<TLogit, TTarget>.SegmentLength);
                    pass.End(row, ref rows[row], RoomOf(row), in state);
                }
            }
        }

        if (pass.WantsGradient)
        {
            ParallelLoop.Run(states.Length, threads, i =>
            {
                int row = (int)(i / segments);
                pass.Differentiate(row, (int)(i % segments), rows[row], RoomOf(row));
                pass.Fence();
            });
        }

        TokenLosses sum = default;
        foreach (ref readonly BatchPass<TLogit, TTarget>.Row row in rows.AsSpan())
        {
            sum += pass.LossesOf(in row);
        }

        return sum;
    }

    /// <summary>The state of a row, of those of its segments.</summary>
    private static LogSumExpState Append(ReadOnlySpan<LogSumExpState> segments, int segmentLength)
    {
        LogSumExpState whole = segments[0];
        for (int i = 1; i < segments.Length; i++)
        {
            whole.Append(segments[i], i * segmentLength);
        }

        return whole;
    }

    /// <summary>For each thread, room for the targets of a row, where the stack has none.</summary>
    private static RowTarget[] RoomForTargets<TLogit, TTarget>(in BatchPass<TLogit, TTarget> pass, int threads)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => pass.TargetsPerRow <= BatchPass<TLogit, TTarget>.MaxTargetsOnStack ? [] : new RowTarget[threads * pass.TargetsPerRow];
}
