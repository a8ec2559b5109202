using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

/// <summary>The shapes and threads that losses are timed on, their data, and the gradient's memory.</summary>
public abstract class LossBenchmarks
{
    /// <summary>The shapes, in cache first.</summary>
    public static IEnumerable<Shape> Shapes => [.. Shape.InCache, .. Shape.OutOfCache];

    /// <summary>One thread, and one for each core.</summary>
    public static IEnumerable<int> ThreadCounts => new[] { 1, Environment.ProcessorCount }.Distinct();

    /// <summary>Tokens × vocabulary.</summary>
    [ParamsSource(nameof(Shapes))]
    public Shape Shape { get; set; }

    /// <summary>How many threads each contender may use.</summary>
    [ParamsSource(nameof(ThreadCounts))]
    public int Threads { get; set; }

    private protected LossProblem Problem { get; private set; } = null!;

    private protected LibraryCalls Library { get; private set; } = null!;

    private protected RowByRow RowByRow { get; private set; } = null!;

    private protected MemoryLimits Limits { get; private set; } = null!;

    /// <summary>Makes the data and checks the contenders on it.</summary>
    [GlobalSetup]
    public void Setup()
    {
        Problem = new(Shape);
        Library = new(Problem, Threads);
        RowByRow = new(Problem, Threads);
        Limits = MemoryLimits.For(Problem, Threads);
        CheckContenders();
    }

    /// <summary>Gives the memory back.</summary>
    [GlobalCleanup]
    public void Cleanup() => Problem.Dispose();

    /// <summary>Runs each contender once and has its results checked.</summary>
    protected abstract void CheckContenders();
}
