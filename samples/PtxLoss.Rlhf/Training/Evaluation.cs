namespace PtxLosses.Samples.Rlhf;

/// <summary>What a policy is worth on documents that it was never trained on.</summary>
/// <param name="Step">RL steps taken.</param>
/// <param name="Perplexity">Per token of the held-out text.</param>
/// <param name="Reward">Mean over continuations of held-out prompts.</param>
internal sealed record Measurement(int Step, double Perplexity, double Reward);

internal sealed record TextSample(string Prompt, string Continuation);

/// <summary>Measures every policy on the same text, the same prompts and the same random numbers.</summary>
internal sealed class Evaluation(
    PtxReader reader,
    Transformer sampler,
    TokenizedText heldOut,
    PromptSource prompts,
    AlliterationReward reward,
    Tokenizer tokenizer)
{
    private const int RolloutBatches = 2;
    private const int SamplesShown = 2;

    private readonly (int[] Tokens, int[] Targets)[] _batches = [.. heldOut.Batches(reader.Batch)];

    public double Perplexity(Parameters parameters)
    {
        double sum = 0;
        long count = 0;
        foreach ((int[] tokens, int[] targets) in _batches)
        {
            PtxLossResult result = reader.ComputeSum(parameters, tokens, targets);
            sum += result.LanguageModelLoss;
            count += result.TokenCount;
        }

        return Math.Exp(sum / count);
    }

    public (Measurement Measurement, IReadOnlyList<TextSample> Samples) Measure(Parameters policy, int step)
    {
        var random = new Random(0);
        double total = 0;
        List<TextSample> samples = [];
        for (int batch = 0; batch < RolloutBatches; batch++)
        {
            int[][] drawn = prompts.Draw(random, sampler.Batch);
            var rollout = Rollout.Sample(sampler, policy, drawn, reward, random);
            total += rollout.MeanReward;
            for (int sequence = 0; samples.Count < SamplesShown; sequence++)
            {
                string continuation = tokenizer.Decode(rollout.Continuation(sequence));
                samples.Add(new TextSample(tokenizer.Decode(drawn[sequence].Skip(1)), continuation));
            }
        }

        return (new Measurement(step, Perplexity(policy), total / RolloutBatches), samples);
    }
}
