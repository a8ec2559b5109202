namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Goes straight from the hidden states and its rows of the weight: the logits of a few tokens at a time are all that is ever in
/// memory, and they are computed again on the way back.
/// </summary>
internal sealed class HiddenShard(OutputLayer output, Transformer transformer) : IShard
{
    // Half of it is for logits, the rest for the products of two threads. At the sample's own vocabulary, micro-batches go in
    // parts.
    private const long ScratchBytes = 4 << 20;

    // Micro-batches add up in the weight's gradient; that of the hidden states belongs to one of them, and is written.
    private readonly PtxLossOptions _options = new()
    {
        VocabularyStart = output.Slice.Start,
        AccumulateGradient = true,
        MaxScratchBytes = ScratchBytes,
    };

    public void Forward(int[] targets, CrossEntropyOutputs outputs) =>
        CrossEntropy.ForwardFromHidden<float, int>(transformer.Hidden.Tensor, output.Weight.Tensor, targets, outputs, _options);

    public void Backward(int[] targets, CrossEntropyOutputs wholeRows, CrossEntropyOutputGradients gradients) =>
        CrossEntropy.BackwardFromHidden<float, int>(
            transformer.Hidden.Tensor,
            output.Weight.Tensor,
            targets,
            wholeRows,
            gradients,
            new() { Hidden = transformer.HiddenGradient.Tensor, Weight = output.Gradient.Tensor },
            _options);
}
