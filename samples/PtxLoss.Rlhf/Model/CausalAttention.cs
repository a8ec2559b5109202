using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// softmax(Q·Kᵀ/√w)·V for every sequence and head, each query seeing only its own and earlier positions.
/// Rows are time-major (row = position · batch + sequence), so all of one position is contiguous, and decoding a position reads
/// the keys and values of the earlier ones where the forward pass left them: the activations are the key-value cache.
/// </summary>
internal sealed class CausalAttention(ModelShape shape, int batch, int length)
{
    private readonly float _scale = 1 / MathF.Sqrt(shape.HeadWidth);

    /// <param name="queryKeyValue">[length · batch, 3 · width].</param>
    /// <param name="probabilities">[batch · heads · length, length].</param>
    /// <param name="output">[length · batch, width].</param>
    /// <param name="first">First position to compute.</param>
    /// <param name="end">Position after the last one to compute.</param>
    public void Forward(Matrix queryKeyValue, Matrix probabilities, Matrix output, int first, int end) =>
        Parallel.For(0, batch * shape.Heads, index =>
        {
            (int sequence, int head) = Math.DivRem(index, shape.Heads);
            Matrix query = Head(queryKeyValue, sequence, head, 0).Slice(first, end - first);
            Matrix key = Head(queryKeyValue, sequence, head, 1).Slice(0, end);
            Matrix value = Head(queryKeyValue, sequence, head, 2).Slice(0, end);
            Matrix weights = probabilities.Slice((index * length) + first, end - first, 0, end);

            Sgemm.MultiplyOnThisThread(query, key.Transposed, weights);
            for (int row = 0; row < weights.Rows; row++)
            {
                int visible = first + row + 1;
                Softmax(weights.Row(row)[..visible]);
                weights.Row(row)[visible..].Clear();
            }

            Sgemm.MultiplyOnThisThread(weights, value, Head(output, sequence, head, 0).Slice(first, end - first));
        });

    public void Backward(Matrix queryKeyValue, Matrix probabilities, Matrix outputGradient, Matrix queryKeyValueGradient) =>
        Parallel.For(0, batch * shape.Heads, () => new Matrix(length, length), (index, _, dWeights) =>
        {
            (int sequence, int head) = Math.DivRem(index, shape.Heads);
            Matrix weights = probabilities.Slice(index * length, length);
            Matrix dOutput = Head(outputGradient, sequence, head, 0);

            Sgemm.MultiplyOnThisThread(weights.Transposed, dOutput, Head(queryKeyValueGradient, sequence, head, 2));
            Sgemm.MultiplyOnThisThread(dOutput, Head(queryKeyValue, sequence, head, 2).Transposed, dWeights);

            // Through the softmax: dscore = p·(dp − Σ p·dp), and p is 0 where the mask is, so nothing leaks from the future.
            for (int row = 0; row < length; row++)
            {
                Span<float> gradient = dWeights.Row(row);
                ReadOnlySpan<float> probability = weights.Row(row);
                TensorPrimitives.Add(gradient, -OrderedSum.Dot(gradient, probability), gradient);
                TensorPrimitives.Multiply(gradient, probability, gradient);
                TensorPrimitives.Multiply(gradient, _scale, gradient);
            }

            Sgemm.MultiplyOnThisThread(
                dWeights, Head(queryKeyValue, sequence, head, 1), Head(queryKeyValueGradient, sequence, head, 0));
            Sgemm.MultiplyOnThisThread(
                dWeights.Transposed, Head(queryKeyValue, sequence, head, 0), Head(queryKeyValueGradient, sequence, head, 1));
            return dWeights;
        }, _ => { });

    /// <summary>One head of one sequence as [length, head width], in place; the parts are 0 for Q, 1 for K and 2 for V.</summary>
    private Matrix Head(Matrix rows, int sequence, int head, int part) => new Matrix(
        rows.Memory[(sequence * rows.RowStride)..], length, rows.Columns, batch * rows.RowStride)
        .Slice(0, length, (part * shape.Width) + (head * shape.HeadWidth), shape.HeadWidth);

    private void Softmax(Span<float> scores)
    {
        TensorPrimitives.Multiply(scores, _scale, scores);
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.Exp(scores, scores);
        TensorPrimitives.Multiply(scores, 1 / OrderedSum.Of(scores), scores);
    }
}
