namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// Goes from the hidden states and the output layer's weight straight to the loss and both gradients: the logits are never all in
/// memory.
/// </summary>
internal sealed class FusedReader(Transformer transformer) : IPtxReader
{
    // Half of a batch's logits, and the panels of four threads: more makes a step no faster.
    private const long ScratchBytes = 16 << 20;

    public int Batch => transformer.Batch;

    public int Rows => transformer.Rows;

    // The embedding's gradient is a sum: of the policy's loss, of this one, and of the embedding as the first layer.
    private static PtxLossOptions Accumulate { get; } = new() { AccumulateGradient = true, MaxScratchBytes = ScratchBytes };

    private static PtxLossOptions SumReduction { get; } = new() { Reduction = LossReduction.Sum, MaxScratchBytes = ScratchBytes };

    public PtxLossResult ComputeSum(Parameters parameters, int[] tokens, int[] targets)
    {
        transformer.Forward(parameters, tokens);
        return PtxLoss.ComputeFromHidden<float, int>(
            rlLoss: 0, transformer.Hidden.Tensor, parameters.TokenEmbedding.Tensor, targets, ptxCoefficient: 1, SumReduction);
    }

    public PtxLossResult ComputeWithGradient(
        double rlLoss, Parameters parameters, int[] tokens, int[] targets, double ptxCoefficient, Parameters sum)
    {
        transformer.Forward(parameters, tokens);

        // All gradients of a call are added to; that of the hidden states has nothing to be added to.
        transformer.HiddenGradient.Span.Clear();
        PtxLossResult loss = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            rlLoss,
            transformer.Hidden.Tensor,
            parameters.TokenEmbedding.Tensor,
            targets,
            ptxCoefficient,
            new() { Hidden = transformer.HiddenGradient.Tensor, Weight = sum.TokenEmbedding.Tensor },
            Accumulate);
        transformer.Backward(parameters, sum);
        return loss;
    }
}
