using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// Continuations of prompts sampled from a policy. Everything is time-major: the tokens are [prompt + continuation, batch], the
/// rest has one value per sampled token, [continuation, batch].
/// </summary>
internal sealed class Rollout
{
    public const int PromptLength = 8;
    public const int ContinuationLength = 24;

    private Rollout(int batch)
    {
        Batch = batch;
        Tokens = new int[batch * (PromptLength + ContinuationLength)];
        LogProbabilities = new double[batch * ContinuationLength];
        Rewards = new double[batch * ContinuationLength];
    }

    public int Batch { get; }

    public int[] Tokens { get; }

    public ReadOnlySpan<int> Sampled => Tokens.AsSpan(PromptLength * Batch);

    /// <summary>Of each sampled token, under the policy that sampled it.</summary>
    public double[] LogProbabilities { get; }

    /// <summary>What each sampled token earned.</summary>
    public double[] Rewards { get; }

    public double MeanReward => Rewards.Sum() / Batch;

    /// <summary>
    /// Reads all but the last token, which predicts nothing, and predicts from the prompt's last token on: its rows of hidden
    /// states are those of <see cref="Sampled"/>.
    /// </summary>
    public static Transformer CreateTransformer(ModelShape shape, int batch) =>
        new(shape, batch, PromptLength + ContinuationLength - 1, promptLength: PromptLength - 1);

    /// <param name="transformer">As <see cref="CreateTransformer"/> makes it.</param>
    /// <param name="policy">The weights that sample.</param>
    /// <param name="prompts">One per sequence of the batch, <see cref="PromptLength"/> tokens each.</param>
    /// <param name="reward">What scores the continuations.</param>
    /// <param name="random">Decides the tokens.</param>
    public static Rollout Sample(
        Transformer transformer, Parameters policy, IReadOnlyList<int[]> prompts, AlliterationReward reward, Random random)
    {
        int batch = transformer.Batch;
        var rollout = new Rollout(batch);
        var logits = new Matrix(batch, policy.Shape.Vocabulary);
        for (int index = 0; index < PromptLength * batch; index++)
        {
            rollout.Tokens[index] = prompts[index % batch][index / batch];
        }

        for (int token = 0; token < ContinuationLength; token++)
        {
            int position = PromptLength + token;
            Matrix hidden = transformer.Decode(policy, rollout.Tokens, token == 0 ? 0 : position - 1, position);
            Sgemm.Multiply(hidden, policy.TokenEmbedding.Transposed, logits);
            Memory<int> sampled = rollout.Tokens.AsMemory(position * batch, batch);
            SampleTokens(logits, random, sampled);

            Span<double> logProbabilities = rollout.LogProbabilities.AsSpan(token * batch, batch);
            CrossEntropy.Forward(logits.Span, sampled.Span, logits.Columns, new CrossEntropyOutputs { Loss = logProbabilities });
            TensorPrimitives.Negate(logProbabilities, logProbabilities);
        }

        rollout.Score(prompts, reward);
        return rollout;
    }

    public int[] Continuation(int sequence) =>
        [.. Enumerable.Range(PromptLength, ContinuationLength).Select(position => Tokens[(position * Batch) + sequence])];

    private void Score(IReadOnlyList<int[]> prompts, AlliterationReward reward)
    {
        Span<double> perToken = stackalloc double[ContinuationLength];
        for (int sequence = 0; sequence < Batch; sequence++)
        {
            reward.Score(prompts[sequence], Continuation(sequence), perToken);
            for (int token = 0; token < ContinuationLength; token++)
            {
                Rewards[(token * Batch) + sequence] = perToken[token];
            }
        }
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
