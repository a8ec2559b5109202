namespace PtxLosses.Samples.Rlhf;

/// <summary>PPO-ptx: each update follows the policy gradient plus γ times the gradient of the loss on pretraining text.</summary>
internal sealed class FineTuning
{
    private const double LearningRate = 1.5e-3;
    private const int UpdatesPerRollout = 2;

    private readonly Transformer _sampler;
    private readonly PtxReader _reader;
    private readonly TokenizedText _text;
    private readonly PromptSource _prompts;
    private readonly AlliterationReward _reward;
    private readonly Random _random;
    private readonly double _gamma;
    private readonly Teacher? _teacher;
    private readonly PpoLoss _ppo;
    private readonly Parameters _gradient;
    private readonly Adam _optimizer;
    private readonly int[] _tokens;
    private readonly int[] _targets;
    private int _update;

    /// <param name="sampler">Runs the policy over rollouts.</param>
    /// <param name="reader">Runs the policy over pretraining text.</param>
    /// <param name="text">The text of pretraining.</param>
    /// <param name="prompts">Where rollouts begin.</param>
    /// <param name="reward">What the policy is trained towards.</param>
    /// <param name="policy">The weights to train, in place.</param>
    /// <param name="gamma">The coefficient of the PTX term.</param>
    /// <param name="teacher">What gives the PTX term its targets; null for the text itself.</param>
    /// <param name="seed">Decides prompts, samples and batches.</param>
    public FineTuning(
        Transformer sampler,
        PtxReader reader,
        TokenizedText text,
        PromptSource prompts,
        AlliterationReward reward,
        Parameters policy,
        double gamma,
        Teacher? teacher,
        int seed)
    {
        (_sampler, _reader, _text, _prompts, _reward) = (sampler, reader, text, prompts, reward);
        (Policy, _gamma, _teacher) = (policy, gamma, teacher);
        _random = new Random(seed);
        _ppo = new PpoLoss(sampler);
        _gradient = new Parameters(policy.Shape);
        _optimizer = new Adam(policy.Values.Length);
        _tokens = new int[reader.Rows];
        _targets = new int[reader.Rows];
    }

    public Parameters Policy { get; }

    /// <summary>One rollout and the updates from it; the loss is that of the last update.</summary>
    public StepReport Step()
    {
        var rollout = Rollout.Sample(_sampler, Policy, _prompts.Draw(_random, _sampler.Batch), _reward, _random);
        double[] advantages = Advantages.Estimate(rollout);
        StepReport report = default;
        for (int update = 0; update < UpdatesPerRollout; update++)
        {
            (double rlLoss, double entropy) = _ppo.ComputeWithGradient(Policy, rollout, advantages, _gradient);

            _text.Sample(_random, _reader.Batch, _tokens, _targets);
            PtxLossResult loss = _teacher is null
                ? _reader.ComputeWithGradient(rlLoss, Policy, _tokens, _targets, _gamma, _gradient)
                : _reader.ComputeWithGradient(
                    rlLoss, Policy, _tokens, _teacher.Targets(_update, _tokens, _targets), _gamma, _gradient);
            _update++;

            _optimizer.Step(Policy, _gradient, LearningRate);
            report = new StepReport(loss, rollout.MeanReward, entropy);
        }

        return report;
    }
}

/// <param name="Loss">L_rl, L_ptx and their sum.</param>
/// <param name="Reward">Mean of the rollout.</param>
/// <param name="Entropy">Of the policy over the sampled tokens, in nats.</param>
internal readonly record struct StepReport(PtxLossResult Loss, double Reward, double Entropy);
