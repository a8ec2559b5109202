using static TorchSharp.torch.nn.functional;

namespace PtxLosses.Samples.Gpt;

/// <summary>Samples rollouts, token by token.</summary>
internal static class Sampler
{
    /// <param name="model">The policy.</param>
    /// <param name="prompts">One per sequence of the batch.</param>
    /// <param name="random">Decides the tokens.</param>
    public static Rollout Sample(GptModel model, IReadOnlyList<int[]> prompts, Random random)
    {
        using var noGrad = torch.no_grad();
        var rollout = new Rollout(prompts);
        int batch = rollout.Batch;
        KeyValueCache[] caches = [.. Enumerable.Range(0, (int)model.Shape.Layers).Select(_ => new KeyValueCache())];
        try
        {
            for (int token = 0; token < Rollout.ContinuationLength; token++)
            {
                using var scope = torch.NewDisposeScope();
                int next = Rollout.PromptLength + token, first = token == 0 ? 0 : next - 1;
                Tensor read = TokenTensor.Create(rollout.Tokens.AsSpan(first * batch, (next - first) * batch), batch);
                Tensor hidden = model.Continue(read, caches).select(1, -1);
                Tensor probabilities = softmax(linear(hidden, model.OutputWeight), dim: -1);
                Tensor sampled = Draw(probabilities, random);
                Tensor chosen = probabilities.gather(1, sampled).log();
                for (int sequence = 0; sequence < batch; sequence++)
                {
                    int index = (token * batch) + sequence;
                    rollout.Tokens[(Rollout.PromptLength * batch) + index] = (int)sampled.data<long>()[sequence];
                    rollout.LogProbabilities[index] = chosen.data<float>()[sequence];
                }
            }
        }
        finally
        {
            foreach (KeyValueCache cache in caches)
            {
                cache.Dispose();
            }
        }

        return rollout;
    }

    /// <summary>Inverts the cumulative distribution of each row, [batch, 1].</summary>
    private static Tensor Draw(Tensor probabilities, Random random)
    {
        float[] uniform = [.. Enumerable.Range(0, (int)probabilities.shape[0]).Select(_ => random.NextSingle())];
        Tensor cumulative = probabilities.cumsum(1);
        long last = cumulative.shape[1] - 1;
        Tensor threshold = torch.tensor(uniform, uniform.Length, 1) * cumulative.narrow(1, last, 1);
        return torch.searchsorted(cumulative, threshold, right: true).clamp_max(last);
    }
}
