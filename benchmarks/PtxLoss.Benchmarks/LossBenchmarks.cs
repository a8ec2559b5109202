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

/// <summary>The loss alone.</summary>
public class ForwardBenchmarks : LossBenchmarks
{
    /// <summary>The library.</summary>
    [Benchmark]
    public double Compute() => Library.Compute();

    /// <summary>Max, Subtract, Exp and Sum over each row.</summary>
    [Benchmark(Baseline = true)]
    public double TensorPrimitivesComposed() => RowByRow.Composed();

    /// <summary>The definition in scalar double precision.</summary>
    [Benchmark]
    public double Scalar() => RowByRow.Scalar();

    /// <summary>The read limit: a vector max over the logits.</summary>
    [Benchmark]
    public float ReadLimit() => Limits.Max(byQuarters: true);

    /// <inheritdoc/>
    protected override void CheckContenders()
    {
        Problem.Check(nameof(Compute), Compute(), tolerance: 1e-6);
        Problem.Check(nameof(TensorPrimitivesComposed), TensorPrimitivesComposed(), tolerance: 1e-4);
        Problem.Check(nameof(Scalar), Scalar(), tolerance: 1e-9);
    }
}

/// <summary>The loss and its gradient.</summary>
public class GradientBenchmarks : LossBenchmarks
{
    /// <summary>The library, gradient to another buffer.</summary>
    [Benchmark]
    public double ComputeWithGradient() => Library.ComputeWithGradient();

    /// <summary>The library, gradient over the logits.</summary>
    [Benchmark]
    public double ComputeWithGradientInPlace() => Library.ComputeWithGradientInPlace();

    /// <summary>Max, Subtract, Exp, Sum and Multiply over each row.</summary>
    [Benchmark(Baseline = true)]
    public double TensorPrimitivesComposed() => RowByRow.ComposedWithGradient();

    /// <summary>The definition in scalar double precision.</summary>
    [Benchmark]
    public double Scalar() => RowByRow.ScalarWithGradient();

    /// <summary>The limit in place: a multiply.</summary>
    [Benchmark]
    public void MultiplyLimit() => Limits.MultiplyInPlace();

    /// <summary>The limit of another buffer: a copy past the caches.</summary>
    [Benchmark]
    public void CopyLimit() => Limits.CopyNonTemporal(byQuarters: true);

    /// <inheritdoc/>
    protected override void CheckContenders()
    {
        Problem.CheckGradient(nameof(ComputeWithGradient), ComputeWithGradient(), tolerance: 1e-5);
        Problem.CheckGradient(nameof(TensorPrimitivesComposed), TensorPrimitivesComposed(), tolerance: 1e-4);
        Problem.CheckGradient(nameof(Scalar), Scalar(), tolerance: 1e-6);

        // Last, for it to start from the logits themselves.
        Problem.Logits.Span.CopyTo(Problem.Gradient.Span);
        Problem.CheckGradient(nameof(ComputeWithGradientInPlace), ComputeWithGradientInPlace(), tolerance: 1e-5);
    }
}
