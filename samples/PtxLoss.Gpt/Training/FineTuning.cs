namespace PtxLosses.Samples.Gpt;

/// <summary>PPO-ptx: each update follows the policy gradient plus γ times the gradient of the loss on pretraining text.</summary>
/// <param name="policy">What is trained, in place.</param>
/// <param name="gamma">The coefficient of the PTX term.</param>
internal sealed class FineTuning(GptPolicy policy, double gamma) : IFineTuning
{
    private const double LearningRate = 1e-3;

    private readonly Optimizer _optimizer = new(policy.Model);

    public IPolicy Policy => policy;

    public (PtxLossResult Loss, double Entropy) Update(Rollout rollout, double[] advantages, int[] tokens, int[] targets)
    {
        using var scope = torch.NewDisposeScope();
        (Tensor rlLoss, Tensor entropy) = PpoLoss.Compute(policy, rollout, advantages);
        Tensor total = policy.TextLoss(rlLoss, tokens, targets, gamma, out PtxLossResult result);
        _optimizer.Step(total, LearningRate);
        return (result, entropy.item<float>());
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        policy.Dispose();
    }
}
