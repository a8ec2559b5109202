namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// The clipped surrogate of PPO (Schulman et al. 2017) with an entropy bonus, over the sampled tokens:
/// L_rl = −mean( min(r·A, clip(r, 1−ε, 1+ε)·A) + c·H ),  r = π(token) / π_old(token).
/// </summary>
internal sealed class PpoLoss
{
    private const double Clip = 0.2;
    private const double EntropyBonus = 0.01;

    private readonly Transformer _transformer;
    private readonly double[] _crossEntropy;
    private readonly double[] _logSumExp;
    private readonly double[] _entropy;
    private readonly double[] _lossGradient;
    private readonly double[] _entropyGradient;

    /// <param name="transformer">As <see cref="Sampler.CreateTransformer"/> makes it.</param>
    public PpoLoss(Transformer transformer)
    {
        _transformer = transformer;
        int rows = transformer.Hidden.Rows;
        _crossEntropy = new double[rows];
        _logSumExp = new double[rows];
        _entropy = new double[rows];
        _lossGradient = new double[rows];
        _entropyGradient = new double[rows];
        Array.Fill(_entropyGradient, -EntropyBonus / rows);
    }

    /// <summary>
    /// L_rl and the policy's mean entropy; adds the gradient of L_rl by the parameters to <paramref name="sum"/>.
    /// </summary>
    public (double Loss, double Entropy) ComputeWithGradient(
        Parameters policy, Rollout rollout, double[] advantages, Parameters sum)
    {
        _transformer.Forward(policy, rollout.Tokens);
        CrossEntropy.ForwardFromHidden<float, int>(
            _transformer.Hidden.Tensor,
            policy.TokenEmbedding.Tensor,
            rollout.Sampled,
            new CrossEntropyOutputs { Loss = _crossEntropy, LogSumExp = _logSumExp, Entropy = _entropy },
            TiedHead.Accumulate);

        int rows = _crossEntropy.Length;
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

        CrossEntropy.BackwardFromHidden<float, int>(
            _transformer.Hidden.Tensor,
            policy.TokenEmbedding.Tensor,
            rollout.Sampled,
            new CrossEntropyOutputs { LogSumExp = _logSumExp, Entropy = _entropy },
            new CrossEntropyOutputGradients { Loss = _lossGradient, Entropy = _entropyGradient },
            TiedHead.Gradients(_transformer, sum),
            TiedHead.Accumulate);
        _transformer.Backward(policy, sum);
        return (-(surrogate + (EntropyBonus * entropy)) / rows, entropy / rows);
    }
}
