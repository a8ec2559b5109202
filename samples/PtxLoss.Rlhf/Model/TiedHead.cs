namespace PtxLosses.Samples.Rlhf;

/// <summary>How the library goes from a transformer's hidden states to losses and back: the last layer is its business.</summary>
internal static class TiedHead
{
    // About half of a batch's logits, and the panels of four threads: more makes a step no faster.
    public const long ScratchBytes = 16 << 20;

    /// <summary>
    /// The embedding's gradient is a sum: of the policy's loss, of the text's, and of the embedding as the first layer.
    /// </summary>
    public static PtxLossOptions Accumulate { get; } = new() { AccumulateGradient = true, MaxScratchBytes = ScratchBytes };

    /// <summary>Where the gradients of both losses go: overwritten for the hidden states, added to for the embedding.</summary>
    public static HiddenGradients<float> Gradients(Transformer transformer, Parameters sum) =>
        new() { Hidden = transformer.HiddenGradient.Tensor, Weight = sum.TokenEmbedding.Tensor };
}
