using MathNet.Numerics;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Single;

namespace PtxLosses.Benchmarks;

/// <summary>
/// The loss composed of MathNet.Numerics. It has no log-sum-exp and no softmax, and its vectors own arrays: each row of logits
/// is a vector here, made ahead, as no view of other memory can be. MathNet's own threads would split single vectors; its work is
/// shared by rows instead, as everyone's.
/// </summary>
internal sealed class MathNetComposed
{
    private readonly LossProblem _problem;
    private readonly int _threads;
    private readonly OutputMemory _memory;
    private readonly DenseVector[] _rows;
    private readonly Vector<float>[] _outputs;

    private MathNetComposed(LossProblem problem, int threads, OutputMemory memory)
    {
        _problem = problem;
        _threads = threads;
        _memory = memory;
        _rows = [.. problem.Targets.Select((_, token) => new DenseVector(problem.Row(problem.Logits, token).ToArray()))];
        _outputs = [.. _rows.Select(row => new DenseVector(memory == OutputMemory.Reused ? row.Count : 1))];
    }

    /// <summary>In vectors that each call returns, and in vectors made ahead.</summary>
    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        Control.UseSingleThread();
        LossProblem problem = LossProblem.Load(request.Shape, request.Folder);
        string by = "MathNet.Numerics " + Names.VersionOf(typeof(Control));
        foreach (OutputMemory memory in Enum.GetValues<OutputMemory>())
        {
            var composed = new MathNetComposed(problem, request.Threads, memory);
            yield return new(Work.Forward, memory, by, Names.ByRows, composed.Compute);
            yield return new(Work.Gradient, memory, by, Names.ByRows, composed.ComputeWithGradient)
            {
                GradientAnswers = () => [composed.GradientDotLogits()],
            };
        }
    }

    private double Compute() => _problem.Mean(
        _threads, token => Exponentiate(token).LogSumExp - _rows[token][_problem.Targets[token]]);

    private double ComputeWithGradient() => _problem.Mean(_threads, token =>
    {
        var (exponentials, sum, logSumExp) = Exponentiate(token);
        _outputs[token] = Multiply(exponentials, (float)(_problem.Scale / sum));
        _outputs[token][_problem.Targets[token]] -= (float)_problem.Scale;
        return logSumExp - _rows[token][_problem.Targets[token]];
    });

    private (Vector<float> Exponentials, float Sum, double LogSumExp) Exponentiate(int token)
    {
        DenseVector row = _rows[token];
        float max = row.Maximum();
        Vector<float> exponentials;
        if (_memory == OutputMemory.Fresh)
        {
            exponentials = row.Subtract(max).PointwiseExp();
        }
        else
        {
            exponentials = _outputs[token];
            row.Subtract(max, exponentials);
            exponentials.PointwiseExp(exponentials);
        }

        float sum = exponentials.Sum();
        return (exponentials, sum, max + Math.Log(sum));
    }

    private Vector<float> Multiply(Vector<float> vector, float factor)
    {
        if (_memory == OutputMemory.Fresh)
        {
            return vector.Multiply(factor);
        }

        vector.Multiply(factor, vector);
        return vector;
    }

    private double GradientDotLogits()
        => _outputs.Select((gradient, token) => Sums.Dot(gradient.AsArray(), _problem.Row(_problem.Logits, token))).Sum();
}
