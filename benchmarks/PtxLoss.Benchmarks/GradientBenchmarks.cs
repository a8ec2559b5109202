using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

/// <summary>The loss and its gradient.</summary>
public class GradientBenchmarks : LossBenchmarks
{
    private RowByRow _rowByRow = null!;
    private float[] _gradient = [];

    /// <summary>The library, gradient to another buffer.</summary>
    [Benchmark]
    public double ComputeWithGradient() => Compute(Logits, _gradient);

    /// <summary>
    /// The library, gradient over the logits. From the second call on these are the gradient of the call before: small numbers,
    /// none of them subnormal, which take as long as any others.
    /// </summary>
    [Benchmark]
    public double ComputeWithGradientInPlace() => Compute(_gradient, _gradient);

    /// <summary>Max, Subtract, Exp, Sum and Multiply over each row.</summary>
    [Benchmark(Baseline = true)]
    public double TensorPrimitivesComposed() => RlLoss + (Coefficient * _rowByRow.ComposedWithGradient(_gradient, Scale));

    /// <summary>The definition in scalar double precision.</summary>
    [Benchmark]
    public double Scalar() => RlLoss + (Coefficient * _rowByRow.ScalarWithGradient(_gradient, Scale));

    /// <inheritdoc/>
    protected override void CheckContenders()
    {
        _rowByRow = new(Logits, Targets, Shape.VocabularySize, Threads);
        _gradient = new float[Logits.Length];
        Check(nameof(ComputeWithGradient), ComputeWithGradient(), _gradient, tolerance: 1e-5);
        Check(nameof(TensorPrimitivesComposed), TensorPrimitivesComposed(), _gradient, tolerance: 1e-4);
        Check(nameof(Scalar), Scalar(), _gradient, tolerance: 1e-6);

        // Last, for it to start from the logits' own gradient.
        Logits.CopyTo(_gradient, 0);
        Check(nameof(ComputeWithGradientInPlace), ComputeWithGradientInPlace(), _gradient, tolerance: 1e-5);
    }

    private double Compute(float[] logits, float[] gradient)
        => PtxLoss.ComputeWithGradient<float, int>(
            RlLoss, logits, Targets, Shape.VocabularySize, Coefficient, gradient, Options).Total;
}
