namespace PtxLosses.Samples.Mpi;

/// <summary>Holds the logits of its slice, and then their gradient in the same place.</summary>
internal sealed class LogitShard(OutputLayer output, Transformer transformer) : IShard
{
    private readonly PtxLossOptions _options = new() { VocabularyStart = output.Slice.Start };
    private readonly Matrix _logits = new(transformer.Hidden.Rows, output.Slice.Length);

    public void Forward(int[] targets, CrossEntropyOutputs outputs)
    {
        output.Forward(transformer.Hidden, _logits);
        CrossEntropy.Forward(_logits.Span, targets, _logits.Columns, outputs, _options);
    }

    public void Backward(int[] targets, CrossEntropyOutputs wholeRows, CrossEntropyOutputGradients gradients)
    {
        CrossEntropy.Backward(_logits.Span, targets, _logits.Columns, wholeRows, gradients, _logits.Span, _options);
        output.Backward(_logits, transformer.Hidden, transformer.HiddenGradient);
    }
}
