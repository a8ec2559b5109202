namespace PtxLosses.Samples;

/// <summary>The steps of a fine-tuning: rollouts, advantages and the text of each update.</summary>
/// <param name="fineTuning">What each update changes.</param>
/// <param name="scale">How much is sampled and read at a time.</param>
/// <param name="text">The text of pretraining.</param>
/// <param name="prompts">Where rollouts begin.</param>
/// <param name="reward">What the policy is trained towards.</param>
/// <param name="seed">Decides prompts, samples and batches.</param>
internal sealed class FineTuningLoop(
    IFineTuning fineTuning,
    ExperimentScale scale,
    TokenizedText text,
    PromptSource prompts,
    AlliterationReward reward,
    int seed)
{
    private readonly Random _random = new(seed);
    private readonly int[] _tokens = new int[scale.TextBatch * scale.Context];
    private readonly int[] _targets = new int[scale.TextBatch * scale.Context];

    /// <summary>One rollout and the updates from it; the loss is that of the last update.</summary>
    public StepReport Step()
    {
        Rollout rollout = fineTuning.Policy.Sample(prompts.Draw(_random, scale.RolloutBatch), _random);
        rollout.Score(reward);
        double[] advantages = Advantages.Estimate(rollout);
        StepReport report = default;
        for (int update = 0; update < scale.UpdatesPerRollout; update++)
        {
            text.Sample(_random, scale.TextBatch, _tokens, _targets);
            (PtxLossResult loss, double entropy) = fineTuning.Update(rollout, advantages, _tokens, _targets);
            report = new StepReport(loss, rollout.MeanReward, entropy);
        }

        return report;
    }
}

/// <param name="Loss">L_rl, L_ptx and their sum.</param>
/// <param name="Reward">Mean of the rollout.</param>
/// <param name="Entropy">Of the policy over the sampled tokens, in nats.</param>
internal readonly record struct StepReport(PtxLossResult Loss, double Reward, double Entropy);
