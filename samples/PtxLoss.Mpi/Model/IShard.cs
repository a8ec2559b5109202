namespace PtxLosses.Samples.Mpi;

/// <summary>
/// What lies between the hidden states and what <see cref="CrossEntropy"/> says of this rank's slice of the vocabulary, there
/// and back. Both ways to go give the same but for rounding, and exchange the same.
/// </summary>
internal interface IShard
{
    /// <summary>Fills the outputs, which are those of the slice.</summary>
    void Forward(int[] targets, CrossEntropyOutputs outputs);

    /// <summary>
    /// Writes the slice's part of the hidden states' gradient, and adds to the gradient of its rows of the weight. To be called
    /// once after each <see cref="Forward"/>.
    /// </summary>
    /// <param name="targets">As in <see cref="Forward"/>.</param>
    /// <param name="wholeRows">The log-sum-exps over all shards.</param>
    /// <param name="gradients">What each token's loss and log-sum-exp count.</param>
    void Backward(int[] targets, CrossEntropyOutputs wholeRows, CrossEntropyOutputGradients gradients);
}
