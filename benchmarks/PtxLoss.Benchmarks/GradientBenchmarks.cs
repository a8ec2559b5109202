using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

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
