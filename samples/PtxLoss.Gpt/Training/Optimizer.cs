namespace PtxLosses.Samples.Gpt;

/// <summary>Adam with a clipped gradient.</summary>
internal sealed class Optimizer(GptModel model) : IDisposable
{
    private const double LargestNorm = 1;

    private readonly torch.optim.Optimizer _adam = torch.optim.Adam(model.parameters(), beta1: 0.9, beta2: 0.95);

    /// <summary>Follows the gradient of a loss.</summary>
    public void Step(Tensor loss, double learningRate)
    {
        _adam.zero_grad();
        loss.backward();
        torch.nn.utils.clip_grad_norm_(model.parameters(), LargestNorm);
        foreach (var group in _adam.ParamGroups)
        {
            group.LearningRate = learningRate;
        }

        _adam.step();
    }

    public void Dispose()
    {
        _adam.zero_grad();
        _adam.Dispose();
    }
}
