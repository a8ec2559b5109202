namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// Runs a policy over pretraining text, from the hidden states and the output layer's weight straight to the loss and both
/// gradients: the logits are never all in memory.
/// </summary>
internal sealed class PtxReader(Transformer transformer)
{
    /// <summary>The language-modelling loss.</summary>
    public PtxLossResult Compute(Parameters parameters, int[] tokens, int[] targets)
    {
        transformer.Forward(parameters, tokens);
        return PtxLoss.ComputeFromHidden<float, int>(
            rlLoss: 0,
            transformer.Hidden.Tensor,
            parameters.TokenEmbedding.Tensor,
            targets,
            ptxCoefficient: 1,
            TiedHead.Accumulate);
    }

    /// <summary>The loss; adds the gradient of γ · L_ptx by the parameters to <paramref name="sum"/>.</summary>
    public PtxLossResult ComputeWithGradient(
        double rlLoss, Parameters parameters, int[] tokens, int[] targets, double ptxCoefficient, Parameters sum)
    {
        transformer.Forward(parameters, tokens);
        PtxLossResult loss = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            rlLoss,
            transformer.Hidden.Tensor,
            parameters.TokenEmbedding.Tensor,
            targets,
            ptxCoefficient,
            TiedHead.Gradients(transformer, sum),
            TiedHead.Accumulate);
        transformer.Backward(parameters, sum);
        return loss;
    }

    /// <summary>The same for soft targets.</summary>
    public PtxLossResult ComputeWithGradient(
        double rlLoss, Parameters parameters, int[] tokens, SoftTargets<int> targets, double ptxCoefficient, Parameters sum)
    {
        transformer.Forward(parameters, tokens);
        PtxLossResult loss = PtxLoss.ComputeFromHiddenWithGradient(
            rlLoss,
            transformer.Hidden.Tensor,
            parameters.TokenEmbedding.Tensor,
            targets,
            ptxCoefficient,
            TiedHead.Gradients(transformer, sum),
            TiedHead.Accumulate);
        transformer.Backward(parameters, sum);
        return loss;
    }
}
