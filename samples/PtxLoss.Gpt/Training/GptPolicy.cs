namespace PtxLosses.Samples.Gpt;

/// <summary>A <see cref="GptModel"/> and the loss layer that it is read and trained with.</summary>
internal sealed class GptPolicy(GptModel model, ILossLayer lossLayer) : IPolicy
{
    public GptModel Model => model;

    public int ParameterCount => (int)model.parameters().Sum(parameter => parameter.numel());

    public GptPolicy Clone()
    {
        var copy = new GptModel(model.Shape);
        copy.load_state_dict(model.state_dict());
        return new GptPolicy(copy, lossLayer);
    }

    public PtxLossResult ReadText(int[] tokens, int[] targets)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        TextLoss(rlLoss: torch.zeros([]), tokens, targets, ptxCoefficient: 1, out PtxLossResult result);
        return result;
    }

    /// <summary>L_rl + γ · L_ptx.</summary>
    public Tensor TextLoss(Tensor rlLoss, int[] tokens, int[] targets, double ptxCoefficient, out PtxLossResult result)
    {
        int batch = tokens.Length / (int)model.Shape.Context;
        Tensor hidden = model.call(TokenTensor.Create(tokens, batch));
        return lossLayer.Loss(rlLoss, hidden, model.OutputWeight, TokenTensor.Create(targets, batch), ptxCoefficient, out result);
    }

    /// <summary>The log-probabilities of a rollout's sampled tokens and the entropies there, [batch, continuation].</summary>
    public (Tensor LogProbabilities, Tensor Entropy) Evaluate(Rollout rollout)
    {
        Tensor tokens = TokenTensor.Create(rollout.Tokens, rollout.Batch);
        Tensor hidden = model.call(tokens.narrow(1, 0, tokens.shape[1] - 1));
        Tensor sampled = tokens.narrow(1, Rollout.PromptLength, Rollout.ContinuationLength);
        Tensor predicting = hidden.narrow(1, Rollout.PromptLength - 1, Rollout.ContinuationLength);
        return lossLayer.Tokens(predicting, model.OutputWeight, sampled);
    }

    public Rollout Sample(IReadOnlyList<int[]> prompts, Random random) => Sampler.Sample(model, prompts, random);

    public void Dispose() => model.Dispose();
}
