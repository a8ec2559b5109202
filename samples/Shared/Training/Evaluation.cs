namespace PtxLosses.Samples;

/// <summary>What a policy is worth on documents that it was never trained on.</summary>
/// <param name="Step">RL steps taken.</param>
/// <param name="Perplexity">Per token of the held-out text.</param>
/// <param name="Reward">Mean over continuations of held-out prompts.</param>
internal sealed record Measurement(int Step, double Perplexity, double Reward);

internal sealed record TextSample(string Prompt, string Continuation);

/// <summary>Measures every policy on the same text, the same prompts and the same random numbers.</summary>
internal sealed class Evaluation(
    ExperimentScale scale, TokenizedText heldOut, PromptSource prompts, AlliterationReward reward, ITokenizer tokenizer)
{
    private const int SamplesShown = 2;

    private readonly (int[] Tokens, int[] Targets)[] _batches = [.. heldOut.Batches(scale.TextBatch)];

    public double Perplexity(IPolicy policy)
    {
        var sum = new PtxLossAccumulator();
        foreach ((int[] tokens, int[] targets) in _batches)
        {
            sum.Add(policy.ReadText(tokens, targets));
        }

        return sum.ToResult(rlLoss: 0, ptxCoefficient: 1).Perplexity;
    }

    public (Measurement Measurement, IReadOnlyList<TextSample> Samples) Measure(IPolicy policy, int step)
    {
        var random = new Random(0);
        double total = 0;
        List<TextSample> samples = [];
        for (int batch = 0; batch < scale.EvaluationRollouts; batch++)
        {
            int[][] drawn = prompts.Draw(random, scale.RolloutBatch);
            Rollout rollout = policy.Sample(drawn, random);
            rollout.Score(reward);
            total += rollout.MeanReward;
            for (int sequence = 0; samples.Count < SamplesShown; sequence++)
            {
                string continuation = tokenizer.Decode(rollout.Continuation(sequence));
                samples.Add(new TextSample(tokenizer.Decode(drawn[sequence].Skip(1)), continuation));
            }
        }

        return (new Measurement(step, Perplexity(policy), total / scale.EvaluationRollouts), samples);
    }
}
