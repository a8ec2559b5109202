using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>Samples rollouts, token by token.</summary>
internal static class Sampler
{
    /// <summary>
    /// Reads all but the last token, which predicts nothing, and predicts from the prompt's last token on: its rows of hidden
    /// states are those of <see cref="Rollout.Sampled"/>.
    /// </summary>
    public static Transformer CreateTransformer(ModelShape shape, int batch) =>
        new(shape, batch, Rollout.PromptLength + Rollout.ContinuationLength - 1, promptLength: Rollout.PromptLength - 1);

    /// <param name="transformer">As <see cref="CreateTransformer"/> makes it.</param>
    /// <param name="policy">The weights that sample.</param>
    /// <param name="prompts">One per sequence of the batch, <see cref="Rollout.PromptLength"/> tokens each.</param>
    /// <param name="random">Decides the tokens.</param>
    public static Rollout Sample(Transformer transformer, Parameters policy, IReadOnlyList<int[]> prompts, Random random)
    {
        int batch = transformer.Batch;
        var rollout = new Rollout(prompts);
        var logits = new Matrix(batch, policy.Shape.Vocabulary);
        for (int token = 0; token < Rollout.ContinuationLength; token++)
        {
            int position = Rollout.PromptLength + token;
            Matrix hidden = transformer.Decode(policy, rollout.Tokens, token == 0 ? 0 : position - 1, position);
            Sgemm.Multiply(hidden, policy.TokenEmbedding.Transposed, logits);
            Memory<int> sampled = rollout.Tokens.AsMemory(position * batch, batch);
            SampleTokens(logits, random, sampled);

            Span<double> logProbabilities = rollout.LogProbabilities.AsSpan(token * batch, batch);
            CrossEntropy.Forward(logits.Span, sampled.Span, logits.Columns, new CrossEntropyOutputs { Loss = logProbabilities });
            TensorPrimitives.Negate(logProbabilities, logProbabilities);
        }

        return rollout;
    }

    /// <summary>Inverts the cumulative distribution of each row, whose logits are left as they are.</summary>
    private static void SampleTokens(Matrix logits, Random random, Memory<int> sampled)
    {
        double[] uniform = new double[logits.Rows];
        foreach (ref double value in uniform.AsSpan())
        {
            value = random.NextDouble();
        }

        Parallel.For(0, logits.Rows, () => new float[logits.Columns], (row, _, weights) =>
        {
            ReadOnlySpan<float> x = logits.Row(row);
            TensorPrimitives.Subtract(x, TensorPrimitives.Max(x), weights);
            TensorPrimitives.Exp(weights, weights);
            double threshold = uniform[row] * OrderedSum.Of(weights);
            int token = 0;
            for (double sum = weights[0]; sum <= threshold && token < weights.Length - 1; sum += weights[token])
            {
                token++;
            }

            sampled.Span[row] = token;
            return weights;
        }, _ => { });
    }
}
