namespace PtxLosses.Samples.Rlhf;

/// <summary>A transformer with its output layer, where the logits themselves are needed: the largest buffer of all.</summary>
internal sealed class LogitModel(Transformer transformer, int vocabulary)
{
    public int Batch => transformer.Batch;

    public int Rows => transformer.Rows;

    /// <summary>[predicting rows, vocabulary], written by <see cref="Forward"/>.</summary>
    public Matrix Logits { get; } = new(transformer.Hidden.Rows, vocabulary);

    /// <summary>Writes <see cref="Logits"/>; the activations are kept for <see cref="Backward"/>.</summary>
    public void Forward(Parameters parameters, int[] tokens)
    {
        transformer.Forward(parameters, tokens);
        Sgemm.Multiply(transformer.Hidden, parameters.TokenEmbedding.Transposed, Logits);
    }

    /// <summary>Logits of the next token of every sequence, [batch, vocabulary]; see <see cref="Transformer.Decode"/>.</summary>
    public Matrix Decode(Parameters parameters, int[] tokens, int first, int end)
    {
        Matrix hidden = transformer.Decode(parameters, tokens, first, end);
        Matrix logits = Logits.Slice(0, Batch);
        Sgemm.Multiply(hidden, parameters.TokenEmbedding.Transposed, logits);
        return logits;
    }

    /// <summary>
    /// Adds the gradient by the parameters to <paramref name="sum"/>, given the gradient by the logits of the last
    /// <see cref="Forward"/>.
    /// </summary>
    public void Backward(Parameters parameters, Matrix logitsGradient, Parameters sum)
    {
        Sgemm.Multiply(logitsGradient, parameters.TokenEmbedding, transformer.HiddenGradient);
        Sgemm.Multiply(logitsGradient.Transposed, transformer.Hidden, sum.TokenEmbedding, accumulate: true);
        transformer.Backward(parameters, sum);
    }
}
