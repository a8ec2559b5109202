namespace PtxLosses.Samples.Gpt;

/// <summary>Language modelling from random weights: the PTX loss on its own.</summary>
internal sealed class Pretraining(GptPolicy policy, int steps) : IPretraining
{
    private const double LearningRate = 3e-3;
    private const int WarmUp = 10;

    private readonly Optimizer _optimizer = new(policy.Model);
    private int _step;

    public PtxLossResult Step(int[] tokens, int[] targets)
    {
        using var scope = torch.NewDisposeScope();
        Tensor loss = policy.TextLoss(rlLoss: torch.zeros([]), tokens, targets, ptxCoefficient: 1, out PtxLossResult result);
        _optimizer.Step(loss, LearningRate * LearningRateSchedule.At(_step++, steps, WarmUp));
        return result;
    }

    public void Dispose() => _optimizer.Dispose();
}
