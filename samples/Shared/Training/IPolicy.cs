namespace PtxLosses.Samples;

/// <summary>A language model with its weights. Tokens and targets are time-major: position · batch + sequence.</summary>
internal interface IPolicy : IDisposable
{
    int ParameterCount { get; }

    /// <summary>The language-modelling loss of a batch of text, without a gradient.</summary>
    PtxLossResult ReadText(int[] tokens, int[] targets);

    /// <summary>Continues each prompt, one per sequence; the rewards are left to be scored.</summary>
    Rollout Sample(IReadOnlyList<int[]> prompts, Random random);
}

/// <summary>Language modelling from random weights: the PTX loss on its own.</summary>
internal interface IPretraining : IDisposable
{
    /// <summary>One batch of text, one step of the optimizer.</summary>
    PtxLossResult Step(int[] tokens, int[] targets);
}

/// <summary>PPO-ptx: each update follows the policy gradient plus γ times the gradient of the loss on pretraining text.</summary>
internal interface IFineTuning : IDisposable
{
    /// <summary>What is trained, in place; it ends with the fine-tuning.</summary>
    IPolicy Policy { get; }

    /// <summary>One step of the optimizer. Also returns the policy's mean entropy over the sampled tokens, in nats.</summary>
    (PtxLossResult Loss, double Entropy) Update(Rollout rollout, double[] advantages, int[] tokens, int[] targets);
}

/// <summary>A kind of policy: how it is made and trained.</summary>
internal interface ILanguageModel<TPolicy>
    where TPolicy : IPolicy
{
    ITokenizer Tokenizer { get; }

    ExperimentScale Scale { get; }

    /// <summary>Random weights.</summary>
    TPolicy Create(int seed);

    /// <summary>Trains a policy in place.</summary>
    IPretraining Pretrain(TPolicy policy, int steps);

    /// <summary>Trains a copy of a policy.</summary>
    IFineTuning FineTune(TPolicy pretrained, PtxTerm term);
}

/// <summary>How much an experiment does at a time.</summary>
/// <param name="Context">Tokens of a sequence of text.</param>
/// <param name="TextBatch">Sequences of text at a time.</param>
/// <param name="RolloutBatch">Continuations at a time.</param>
/// <param name="UpdatesPerRollout">Steps of the optimizer, each with a batch of text of its own.</param>
/// <param name="PointsPerCurve">How often a fine-tuning is measured.</param>
/// <param name="EvaluationRollouts">Batches of continuations that a measurement takes.</param>
/// <param name="HeldOutDocuments">At most so many are read by a measurement.</param>
internal sealed record ExperimentScale(
    int Context,
    int TextBatch,
    int RolloutBatch,
    int UpdatesPerRollout,
    int PointsPerCurve,
    int EvaluationRollouts,
    int HeldOutDocuments = int.MaxValue);
