using static TorchSharp.torch.nn.functional;

namespace PtxLosses.Samples.Gpt;

/// <summary>Samples rollouts, token by token.</summary>
/// <remarks>
/// Each id of the vocabulary draws a number of its own, and the best of all is sampled: policies that are nearly the same, as
/// those of different loss layers are, then nearly always sample the same token.
/// </remarks>
internal static class Sampler
{
    /// <param name="model">The policy.</param>
    /// <param name="prompts">One per sequence of the batch.</param>
    /// <param name="random">Decides the tokens.</param>
    public static Rollout Sample(GptModel model, IReadOnlyList<int[]> prompts, Random random)
    {
        using var noGrad = torch.no_grad();
        using var generator = new torch.Generator((ulong)random.Next());
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
                Tensor sampled = torch.multinomial(probabilities, 1, generator: generator);
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
}
