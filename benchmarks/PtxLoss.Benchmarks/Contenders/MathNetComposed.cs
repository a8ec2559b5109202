using MathNet.Numerics;
using MathNet.Numerics.LinearAlgebra.Single;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The total composed of MathNet.Numerics. It has no log-sum-exp and no softmax, and its vectors own arrays: each row of logits
/// is a vector here, made ahead, as no view of other memory can be. MathNet's own threads would split single vectors; its work is
/// shared by rows instead, as everyone's.
/// </summary>
internal sealed class MathNetComposed : IDisposable
{
    private readonly LossProblem _problem;
    private readonly int _threads;
    private readonly DenseVector[] _rows;
    private readonly Lazy<DenseVector[]> _gradient;
    private readonly ThreadLocal<DenseVector> _scratch;

    public MathNetComposed(LossProblem problem, int threads)
    {
        Control.UseSingleThread();
        _problem = problem;
        _threads = threads;
        _rows = [.. problem.Targets.Select((_, token) => new DenseVector(problem.Row(problem.Logits, token).ToArray()))];
        _gradient = new(() => [.. _rows.Select(row => new DenseVector(row.Count))]);
        _scratch = new(() => new DenseVector(problem.Shape.VocabularySize));
    }

    public double Compute() => Total(token =>
    {
        DenseVector row = _rows[token], scratch = _scratch.Value!;
        float max = row.Maximum();
        row.Subtract(max, scratch);
        scratch.PointwiseExp(scratch);
        return max + Math.Log(scratch.Sum()) - row[_problem.Targets[token]];
    });

    public double ComputeWithGradient() => Total(token =>
    {
        DenseVector row = _rows[token], gradient = _gradient.Value[token];
        float max = row.Maximum();
        row.Subtract(max, gradient);
        gradient.PointwiseExp(gradient);
        float sum = gradient.Sum();
        gradient.Multiply((float)(_problem.Scale / sum), gradient);
        gradient[_problem.Targets[token]] -= (float)_problem.Scale;
        return max + Math.Log(sum) - row[_problem.Targets[token]];
    });

    /// <summary>Copies the gradient to where it is checked.</summary>
    public void PublishGradient()
        => _problem.ForEachRow(_threads, token => _gradient.Value[token].Values.CopyTo(_problem.Row(_problem.Gradient, token)));

    public void Dispose() => _scratch.Dispose();

    private double Total(Func<int, double> rowLoss)
        => LossProblem.RlLoss + (LossProblem.Coefficient * _problem.Mean(_threads, rowLoss));
}
