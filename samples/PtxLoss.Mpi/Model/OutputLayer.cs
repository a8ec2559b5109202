namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Rows of the last layer's weight, not tied to the embedding: those of a slice of the vocabulary, or of all of it. A row is
/// a function of the seed and its id, so any split draws the same model, and a rank draws no more than it holds.
/// </summary>
internal sealed class OutputLayer
{
    private const float LargestWeight = 0.05f;

    public OutputLayer(VocabularySlice slice, int width, int seed)
    {
        Slice = slice;
        Weight = new Matrix(slice.Length, width);
        Gradient = new Matrix(slice.Length, width);
        for (int row = 0; row < slice.Length; row++)
        {
            Span<float> weights = Weight.Row(row);
            for (int column = 0; column < width; column++)
            {
                weights[column] = LargestWeight * Uniform(seed, slice.Start + row, column);
            }
        }
    }

    public VocabularySlice Slice { get; }

    /// <summary>[ids of the slice, width].</summary>
    public Matrix Weight { get; }

    /// <summary>Shaped like <see cref="Weight"/>; a sum over micro-batches.</summary>
    public Matrix Gradient { get; }

    public void Forward(Matrix hidden, Matrix logits) => Sgemm.Multiply(hidden, Weight.Transposed, logits);

    /// <summary>
    /// Adds to <see cref="Gradient"/> and writes what these rows contribute to the gradient of the hidden states.
    /// </summary>
    public void Backward(Matrix logitsGradient, Matrix hidden, Matrix hiddenGradient)
    {
        Sgemm.Multiply(logitsGradient.Transposed, hidden, Gradient, accumulate: true);
        Sgemm.Multiply(logitsGradient, Weight, hiddenGradient);
    }

    /// <summary>
    /// In [−1, 1), from SplitMix64 (Steele, Lea and Flood 2014): the sequence's element of that number, without the others.
    /// </summary>
    private static float Uniform(int seed, int id, int column)
    {
        ulong number = unchecked(((ulong)seed << 44) + ((ulong)id << 20) + (ulong)column + 1);
        ulong bits = unchecked(number * 0x9E3779B97F4A7C15);
        bits = unchecked((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9);
        bits = unchecked((bits ^ (bits >> 27)) * 0x94D049BB133111EB);
        bits ^= bits >> 31;
        return ((bits >> 40) * (2f / (1 << 24))) - 1;
    }
}
