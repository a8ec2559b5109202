using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// The clipped surrogate of PPO (Schulman et al. 2017) with an entropy bonus, over the sampled tokens:
/// L_rl = −mean( min(r·A, clip(r, 1−ε, 1+ε)·A) + c·H ),  r = π(token) / π_old(token).
/// </summary>
internal sealed class PpoLoss(int rows)
{
    private const double Clip = 0.2;
    private const double EntropyBonus = 0.01;

    private readonly double[] _crossEntropy = new double[rows];
    private readonly double[] _logSumExp = new double[rows];
    private readonly double[] _entropy = new double[rows];
    private readonly double[] _lossGradient = new double[rows];

    /// <summary>Writes ∂L_rl/∂logits to <paramref name="gradient"/>; returns L_rl and the policy's mean entropy.</summary>
    public (double Loss, double Entropy) ComputeWithGradient(Matrix logits, Rollout rollout, double[] advantages, Matrix gradient)
    {
        int vocabulary = logits.Columns;
        CrossEntropy.Forward(logits.Span, rollout.Sampled, vocabulary, new CrossEntropyOutputs
        {
            Loss = _crossEntropy,
            LogSumExp = _logSumExp,
            Entropy = _entropy,
        });

        double surrogate = 0, entropy = 0;
        for (int row = 0; row < rows; row++)
        {
            // The cross-entropy of a sampled token is −log π(token), so ∂(−r·A)/∂(cross-entropy) = r·A.
            double ratio = Math.Exp(-_crossEntropy[row] - rollout.LogProbabilities[row]);
            double free = ratio * advantages[row];
            double clipped = Math.Clamp(ratio, 1 - Clip, 1 + Clip) * advantages[row];
            surrogate += Math.Min(free, clipped);
            entropy += _entropy[row];
            _lossGradient[row] = free <= clipped ? free / rows : 0;
        }

        CrossEntropy.Backward(
            logits.Span,
            rollout.Sampled,
            vocabulary,
            new CrossEntropyOutputs { LogSumExp = _logSumExp },
            new CrossEntropyOutputGradients { Loss = _lossGradient },
            gradient.Span);
        AddEntropyGradient(logits, gradient);
        return (-(surrogate + (EntropyBonus * entropy)) / rows, entropy / rows);
    }

    /// <summary>∂(−H)/∂x_j = p_j·(log p_j + H), with log p_j = x_j − logsumexp(x).</summary>
    private void AddEntropyGradient(Matrix logits, Matrix gradient) =>
        Parallel.For(0, rows, () => (LogP: new float[logits.Columns], P: new float[logits.Columns]), (row, _, buffers) =>
        {
            TensorPrimitives.Subtract(logits.Row(row), (float)_logSumExp[row], buffers.LogP);
            TensorPrimitives.Exp(buffers.LogP, buffers.P);
            TensorPrimitives.Add(buffers.LogP, (float)_entropy[row], buffers.LogP);
            TensorPrimitives.Multiply(buffers.LogP, buffers.P, buffers.LogP);
            TensorPrimitives.MultiplyAdd(buffers.LogP, (float)(EntropyBonus / rows), gradient.Row(row), gradient.Row(row));
            return buffers;
        }, _ => { });
}
