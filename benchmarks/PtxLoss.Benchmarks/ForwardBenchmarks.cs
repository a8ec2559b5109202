using BenchmarkDotNet.Attributes;

namespace PtxLosses.Benchmarks;

/// <summary>The loss alone.</summary>
public class ForwardBenchmarks : LossBenchmarks
{
    private RowByRow _rowByRow = null!;

    /// <summary>The library.</summary>
    [Benchmark]
    public double Compute()
        => PtxLoss.Compute<float, int>(RlLoss, Logits, Targets, Shape.VocabularySize, Coefficient, Options).Total;

    /// <summary>Max, Subtract, Exp and Sum over each row.</summary>
    [Benchmark(Baseline = true)]
    public double TensorPrimitivesComposed() => RlLoss + (Coefficient * _rowByRow.Composed());

    /// <summary>The definition in scalar double precision.</summary>
    [Benchmark]
    public double Scalar() => RlLoss + (Coefficient * _rowByRow.Scalar());

    /// <inheritdoc/>
    protected override void CheckContenders()
    {
        _rowByRow = new(Logits, Targets, Shape.VocabularySize, Threads);
        Check(nameof(Compute), Compute(), gradient: [], tolerance: 1e-6);
        Check(nameof(TensorPrimitivesComposed), TensorPrimitivesComposed(), gradient: [], tolerance: 1e-4);
        Check(nameof(Scalar), Scalar(), gradient: [], tolerance: 1e-9);
    }
}
