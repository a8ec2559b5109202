using System.Diagnostics;
using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// All that is drawn elsewhere, by many threads at once: every entry, with random shapes, options, numbers of threads and
/// faults, each result compared with the reference, of numbers as models have them. Seconds of it, or as many as
/// <c>PTXLOSS_SOAK_SECONDS</c> says. Runs alone, for its memory.
/// </summary>
[Collection(nameof(AllocationTests))]
public class SoakTests(ITestOutputHelper output)
{
    private const string Seconds = "PTXLOSS_SOAK_SECONDS", Seed = "PTXLOSS_SOAK_SEED";
    private const long Megabyte = 1 << 20;

    /// <summary>What is drawn from a seed, and must hold.</summary>
    private static readonly Action<int>[] _properties =
    [
        seed => Try(CallDraw.All.Where(call => !call.IsFarOut), seed, SurfaceTests.Holds),
        seed => Try(CallDraw.All.Where(call => !call.IsFarOut), seed, SurfaceTests.Holds),
        seed => Try(SurfaceTests.BadCalls, seed, SurfaceTests.IsRefused),
        seed => Try(OptionPropertyTests.Cases().Where(drawn => !drawn.IsFarOut), seed, OptionPropertyTests.Holds),
        seed => Try(HeadDraw.All, seed, HeadCallTests.Holds),
        seed => Try(ShardTests.Draws(), seed, ShardTests.Holds),
        seed => Try(AccumulatorTests.Draws(), seed, AccumulatorTests.Holds),
    ];

    private int _seed;
    private (int Seed, Exception Exception)? _failure;

    [Fact]
    public void Many_threads_at_once_agree_with_the_reference_and_leave_nothing_behind()
    {
        if (Number(Seed) is { } one)
        {
            Run((int)one);
            return;
        }

        // Other seeds at each run: a failure names its own.
        _seed = Environment.TickCount & 0x3FFF_FFFF;
        var duration = TimeSpan.FromSeconds(Number(Seconds) ?? 3);
        Soak(duration / 3); // everything is compiled, and caches are filled
        Footprint before = Footprint.Now();
        int first = _seed;
        Soak(duration * 2 / 3);
        Footprint after = Footprint.Now();

        output.WriteLine($"{_seed - first} cases; before {before}, after {after}");
        (after.Managed - before.Managed).Should().BeLessThan(
            4 * Megabyte, "nothing is held on to: before {0}, after {1}", before, after);
        (after.Resident - before.Resident).Should().BeLessThan(
            96 * Megabyte, "native memory is given back: before {0}, after {1}", before, after);
        after.Threads.Should().BeLessThan(
            before.Threads + Environment.ProcessorCount + 4, "before {0}, after {1}", before, after);
    }

    private void Soak(TimeSpan duration)
    {
        var clock = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, 3 * Environment.ProcessorCount).Select(_ => new Thread(Work))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        if (_failure is { } failure)
        {
            Assert.Fail($"{Seed}={failure.Seed} repeats it, if it needs no other threads: {failure.Exception}");
        }

        void Work()
        {
            while (clock.Elapsed < duration && _failure == null)
            {
                int seed = Interlocked.Increment(ref _seed);
                try
                {
                    Run(seed);
                }
                catch (Exception exception)
                {
                    _failure = (seed, exception);
                }
            }
        }
    }

    private static void Run(int seed) => _properties[seed % _properties.Length](seed);

    private static void Try<T>(Gen<T> gen, int seed, Action<T> holds)
    {
        T drawn = gen.Sample(1, new Rnd((ulong)seed), 50).Single();
        try
        {
            holds(drawn);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"Not so for {drawn}", exception);
        }
    }

    private static double? Number(string variable)
        => double.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out double number)
            ? number
            : null;

    /// <summary>What the process holds, after all garbage is collected and its memory is given back.</summary>
    private sealed record Footprint(long Managed, long Resident, int Threads)
    {
        public static Footprint Now()
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            using var process = Process.GetCurrentProcess();
            return new(GC.GetTotalMemory(forceFullCollection: true), process.WorkingSet64, process.Threads.Count);
        }

        public override string ToString()
            => string.Create(
                CultureInfo.InvariantCulture,
                $"{Managed / (double)Megabyte:F1} MB managed, {Resident / (double)Megabyte:F1} MB resident, {Threads} threads");
    }
}
