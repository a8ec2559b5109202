namespace PtxLosses.Samples.Rlhf;

/// <summary>PPO-ptx: each update follows the policy gradient plus γ times the gradient of the loss on pretraining text.</summary>
/// <param name="runners">Run the policy over rollouts and text.</param>
/// <param name="policy">The weights to train, in place.</param>
/// <param name="gamma">The coefficient of the PTX term.</param>
/// <param name="teacher">What gives the PTX term its targets; null for the text itself.</param>
internal sealed class FineTuning(PolicyRunners runners, Policy policy, double gamma, Teacher? teacher) : IFineTuning
{
    private const double LearningRate = 1.5e-3;

    private readonly PpoLoss _ppo = new(runners.Rollouts);
    private readonly Parameters _gradient = new(policy.Parameters.Shape);
    private readonly Adam _optimizer = new(policy.ParameterCount);
    private int _update;

    public IPolicy Policy => policy;

    public (PtxLossResult Loss, double Entropy) Update(Rollout rollout, double[] advantages, int[] tokens, int[] targets)
    {
        Parameters parameters = policy.Parameters;
        (double rlLoss, double entropy) = _ppo.ComputeWithGradient(parameters, rollout, advantages, _gradient);
        PtxLossResult loss = teacher is null
            ? runners.Reader.ComputeWithGradient(rlLoss, parameters, tokens, targets, gamma, _gradient)
            : runners.Reader.ComputeWithGradient(
                rlLoss, parameters, tokens, teacher.Targets(_update, tokens, targets), gamma, _gradient);
        _update++;
        _optimizer.Step(parameters, _gradient, LearningRate);
        return (loss, entropy);
    }

    /// <summary>Nothing: all memory is managed.</summary>
    public void Dispose()
    {
    }
}
