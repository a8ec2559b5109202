namespace PtxLosses.Samples.Gpt;

/// <summary>
/// The clipped surrogate of PPO (Schulman et al. 2017) with an entropy bonus, over the sampled tokens:
/// L_rl = −mean( min(r·A, clip(r, 1−ε, 1+ε)·A) + c·H ),  r = π(token) / π_old(token).
/// </summary>
internal static class PpoLoss
{
    private const double Clip = 0.2;
    private const double EntropyBonus = 0.01;

    /// <summary>L_rl, and the policy's mean entropy.</summary>
    public static (Tensor Loss, Tensor Entropy) Compute(GptPolicy policy, Rollout rollout, double[] advantages)
    {
        (Tensor logProbabilities, Tensor entropy) = policy.Evaluate(rollout);
        Tensor advantage = TokenTensor.Create(advantages, rollout.Batch);
        Tensor ratio = (logProbabilities - TokenTensor.Create(rollout.LogProbabilities, rollout.Batch)).exp();
        Tensor surrogate = torch.minimum(ratio * advantage, ratio.clamp(1 - Clip, 1 + Clip) * advantage);
        Tensor meanEntropy = entropy.mean();
        return (-surrogate.mean() - (EntropyBonus * meanEntropy), meanEntropy);
    }
}
