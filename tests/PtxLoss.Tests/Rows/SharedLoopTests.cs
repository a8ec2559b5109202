namespace PtxLosses.Tests;

/// <summary>A loop that threads share: every item once, and each thread with a number of its own.</summary>
public class SharedLoopTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 100)]
    [InlineData(1000, 1)]
    [InlineData(1000, 4)]
    public void Every_item_is_taken_once_by_a_thread_below_their_number(int count, int threads)
    {
        int[] taken = new int[count], workers = new int[count];

        SharedLoop.Run(count, threads, (item, worker) =>
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

        SharedLoop.Run(workers.Length, threads: 2, (item, worker) =>
        {
            Thread.Sleep(5);
            workers[item] = worker;
        });

        workers.Should().OnlyContain(worker => worker == 0 || worker == 1);
    }

    [Fact]
    public void Items_that_wait_for_each_other_need_a_thread_each_and_get_one()
    {
        const int threads = 3;
        using var all = new Barrier(threads);
        int[] workers = new int[threads];

        SharedLoop.Run(threads, threads, (item, worker) =>
        {
            all.SignalAndWait(TimeSpan.FromMinutes(1)).Should().BeTrue("{0} threads were asked for", threads);
            workers[item] = worker;
        });

        workers.Should().BeEquivalentTo([0, 1, 2]);
    }
}
