namespace PtxLosses.Common;

/// <summary>
/// A loop whose items the calling thread and threads of the pool take one after the other. <see cref="Parallel"/> does the same
/// and more, but waits at the end even for threads that came too late to get an item: on a few long rows that is a third of the
/// time. The body must not throw.
/// </summary>
internal sealed class ParallelLoop : IThreadPoolWorkItem
{
    private Action<long, int>? _body;
    private readonly long _count;
    private int _workers;
    private long _taken;
    private long _done;

    private ParallelLoop(long count, Action<long, int> body)
    {
        _count = count;
        _body = body;
    }

    /// <summary>How many threads a call may use: more than there are cores would only take memory.</summary>
    public static int Threads(int maxDegreeOfParallelism)
        => maxDegreeOfParallelism < 0 ? Environment.ProcessorCount : Math.Min(Environment.ProcessorCount, maxDegreeOfParallelism);

    /// <summary>
    /// Runs body(0) … body(count − 1) on up to <paramref name="threads"/> threads and returns when all have ended.
    /// </summary>
    public static void Run(long count, int threads, Action<long> body) => Run(count, threads, (item, _) => body(item));

    /// <summary>Does pieces of work that do not depend on each other, with one wait at the end of all.</summary>
    public static void Run(params ReadOnlySpan<ParallelWork> works)
    {
        ParallelWork[] all = works.ToArray();
        Run(all.Sum(work => work.Count), all.Max(work => work.Threads), (item, worker) =>
        {
            int index = 0;
            for (; item >= all[index].Count; index++)
            {
                item -= all[index].Count;
            }

            all[index].Body(item, worker);
        });
    }

    /// <summary>
    /// Runs a loop whose body is also told which of the threads it runs on, from 0 on. <see cref="Thread.Interrupt"/> does not
    /// end it, for the other threads would go on in memory that the caller gives back: the calling thread is interrupted at its
    /// next wait.
    /// </summary>
    public static void Run(long count, int threads, Action<long, int> body)
    {
        var loop = new ParallelLoop(count, body);
        bool isInterrupted = false;
        try
        {
            for (long helper = Math.Min(threads, count); helper > 1; helper--)
            {
                ThreadPool.UnsafeQueueUserWorkItem(loop, preferLocal: false);
            }
        }
        catch (ThreadInterruptedException)
        {
            isInterrupted = true; // while it waited for a lock of the pool: there are fewer helpers
        }
        finally
        {
            loop.TakeItems();
            isInterrupted |= loop.WaitForHelpers();
            loop._body = null; // or a helper that is yet to start would keep alive all that it refers to
        }

        if (isInterrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }

    /// <summary>Waits for the items that other threads are at; none takes long.</summary>
    /// <returns>Whether the thread was interrupted meanwhile.</returns>
    private bool WaitForHelpers()
    {
        bool isInterrupted = false;
        var wait = default(SpinWait);
        while (Volatile.Read(ref _done) < _count)
        {
            try
            {
                wait.SpinOnce(sleep1Threshold: -1);
            }
            catch (ThreadInterruptedException)
            {
                isInterrupted = true;
            }
        }

        return isInterrupted;
    }

    void IThreadPoolWorkItem.Execute() => TakeItems();

    private void TakeItems()
    {
        int worker = Interlocked.Increment(ref _workers) - 1;
        for (long item = Interlocked.Increment(ref _taken); item <= _count; item = Interlocked.Increment(ref _taken))
        {
            _body!(item - 1, worker); // there is one as long as an item is not done
            Interlocked.Increment(ref _done);
        }
    }
}

/// <summary>The items of a <see cref="ParallelLoop"/>, to be run later, perhaps with others; none by default.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="Threads">The most threads to use.</param>
/// <param name="Body">Is given the item and the thread that it runs on, each from 0 on.</param>
internal readonly record struct ParallelWork(long Count, int Threads, Action<long, int> Body);
