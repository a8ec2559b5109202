using System.Runtime.CompilerServices;

namespace PtxLosses.Tests;

/// <summary>A loop that threads share: every item once, and each thread with a number of its own.</summary>
public class ParallelLoopTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 100)]
    [InlineData(1000, 1)]
    [InlineData(1000, 4)]
    public void Every_item_is_taken_once_by_a_thread_below_their_number(int count, int threads)
    {
        int[] taken = new int[count], workers = new int[count];

        ParallelLoop.Run(count, threads, (item, worker) =>
        {
            Interlocked.Increment(ref taken[item]);
            workers[item] = worker;
        });

        taken.Should().AllBeEquivalentTo(1);
        workers.Should().AllSatisfy(worker => worker.Should().BeInRange(0, Math.Min(threads, count) - 1));
    }

    [Fact]
    public void No_more_threads_are_used_than_asked_for()
    {
        int[] workers = new int[20];

        ParallelLoop.Run(workers.Length, threads: 2, (item, worker) =>
        {
            Thread.Sleep(5);
            workers[item] = worker;
        });

        workers.Should().OnlyContain(worker => worker == 0 || worker == 1);
    }

    [Fact]
    public void An_interrupt_waits_until_all_items_are_done()
    {
        int started = 0, done = 0, doneAtTheEnd = 0;
        bool isInterruptedLater = false;
        var thread = new Thread(() =>
        {
            Thread caller = Thread.CurrentThread;
            ParallelLoop.Run(8, threads: 4, (_, _) =>
            {
                if (Thread.CurrentThread != caller)
                {
                    Volatile.Write(ref started, 1);
                    caller.Interrupt();
                    Thread.Sleep(50);
                }

                while (Volatile.Read(ref started) == 0)
                {
                    Thread.SpinWait(100); // or the caller would have done all before a helper came
                }

                Interlocked.Increment(ref done);
            });
            doneAtTheEnd = done;
            try
            {
                Thread.Sleep(Timeout.Infinite);
            }
            catch (ThreadInterruptedException)
            {
                isInterruptedLater = true;
            }
        });

        thread.Start();
        thread.Join();

        doneAtTheEnd.Should().Be(8);
        isInterruptedLater.Should().BeTrue("the interrupt is not lost");
    }

    [Fact]
    public void A_helper_that_has_not_started_keeps_nothing_alive()
    {
        // The pool is kept busy: helpers wait in its queue.
        var end = new ManualResetEventSlim(); // not disposed of: some wait for it later
        for (int i = ThreadPool.ThreadCount + 64; i > 0; i--)
        {
            ThreadPool.UnsafeQueueUserWorkItem(_ => end.Wait(), null);
        }

        try
        {
            WeakReference kept = RunOnceWithAnArray();
            GC.Collect();
            kept.IsAlive.Should().BeFalse();
        }
        finally
        {
            end.Set();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference RunOnceWithAnArray()
    {
        byte[] array = new byte[1000];
        ParallelLoop.Run(4, threads: 3, (item, _) => array[item] = 1);
        return new WeakReference(array);
    }

    [Fact]
    public void Items_that_wait_for_each_other_need_a_thread_each_and_get_one()
    {
        const int threads = 3;
        using var all = new Barrier(threads);
        int[] workers = new int[threads];

        ParallelLoop.Run(threads, threads, (item, worker) =>
        {
            all.SignalAndWait(TimeSpan.FromMinutes(1)).Should().BeTrue("{0} threads were asked for", threads);
            workers[item] = worker;
        });

        workers.Should().BeEquivalentTo([0, 1, 2]);
    }
}
