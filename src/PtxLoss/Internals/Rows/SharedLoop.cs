namespace PtxLosses.Internals;

/// <summary>
/// A loop whose items the calling thread and threads of the pool take one after the other. <see cref="Parallel"/> does the same and
/// more, but waits at the end even for threads that came too late to get an item: on a few long rows that is a third of the
/// time. The body must not throw.
/// </summary>
internal sealed class SharedLoop : IThreadPoolWorkItem
{
    private readonly Action<long, int> _body;
    private readonly long _count;
    private int _workers;
    private long _taken;
    private long _done;

    private SharedLoop(long count, Action<long, int> body)
    {
        _count = count;
        _body = body;
    }

    /// <summary>Runs body(0) … body(count − 1) on up to <paramref name="threads"/> threads and returns when all have ended.</summary>
    public static void Run(long count, int threads, Action<long> body) => Run(count, threads, (item, _) => body(item));

    /// <summary>The same; the body is also told which of the threads it runs on, from 0 on.</summary>
    public static void Run(long count, int threads, Action<long, int> body)
    {
        var loop = new SharedLoop(count, body);
        for (long helper = Math.Min(threads, count); helper > 1; helper--)
        {
            ThreadPool.UnsafeQueueUserWorkItem(loop, preferLocal: false);
        }

        loop.TakeItems();

        // What is left are items that other threads are at; none takes long.
        var wait = default(SpinWait);
        while (Volatile.Read(ref loop._done) < count)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    void IThreadPoolWorkItem.Execute() => TakeItems();

    private void TakeItems()
    {
        int worker = Interlocked.Increment(ref _workers) - 1;
        for (long item = Interlocked.Increment(ref _taken); item <= _count; item = Interlocked.Increment(ref _taken))
        {
            _body(item - 1, worker);
            Interlocked.Increment(ref _done);
        }
    }
}
