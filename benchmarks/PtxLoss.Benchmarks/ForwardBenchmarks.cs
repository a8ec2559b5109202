using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

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
