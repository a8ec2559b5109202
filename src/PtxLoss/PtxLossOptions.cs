namespace PtxLosses;

/// <summary>
/// How a loss is computed. Immutable; where an API takes options, <see langword="null"/> means <see cref="Default"/>.
/// </summary>
/// <remarks>
/// Values out of range are reported by the call that uses the options, as an <see cref="ArgumentException"/>, and so is an option
/// that is set and has no meaning there.
/// </remarks>
public sealed record PtxLossOptions
{
    /// <summary>The mean over all tokens whose target is not −100, on all cores.</summary>
    public static PtxLossOptions Default { get; } = new();

    /// <summary>
    /// The target that marks a token as not counting: it adds nothing to the loss, to the gradient or to the count, and its
    /// logits are not read. <see langword="null"/>: every target counts. Default −100, as in PyTorch's <c>cross_entropy</c>;
    /// targets of an unsigned type cannot be −100 and need another.
    /// </summary>
    public int? IgnoreIndex { get; init; } = -100;

    /// <summary>Mean (the default) or sum over the tokens.</summary>
    public LossReduction Reduction { get; init; }

    /// <summary>
    /// What <see cref="LossReduction.Mean"/> divides by instead of this call's own tokens: their number, or the sum of their
    /// weights, over all micro-batches and replicas that make one step; see
    /// <see cref="PtxLoss.Denominator{TTarget}(ReadOnlySpan{TTarget}, PtxLossOptions, ReadOnlySpan{float})"/>. Finite and at
    /// least 0; <see langword="null"/>: this call's own. It may be 0 only where nothing counts, as in a step whose every token is
    /// ignored: the losses and the gradient are 0 then. Refused where <see cref="Reduction"/> is a sum.
    /// </summary>
    public double? Denominator { get; init; }

    /// <summary>
    /// Whether <c>logits[.., t, :]</c> predicts <c>targets[.., t + 1]</c>, so that one tensor of ids is both the input of the
    /// model and its targets, as in the models of Hugging Face Transformers. The sequence is the last dimension of the targets.
    /// The last position of each sequence counts nowhere and has gradient 0; the first target of each is not used. Weights move
    /// with their targets. Tensors only: spans do not say where a sequence ends, and are refused. Default
    /// <see langword="false"/>: <c>logits[.., t, :]</c> predicts <c>targets[.., t]</c>.
    /// </summary>
    public bool ShiftTargets { get; init; }

    /// <summary>
    /// ε, the part of each target that is spread evenly over the vocabulary, in <c>[0, 1)</c>: the loss of a token is
    /// <c>(1 − ε) · (lse − x[y]) + ε · (lse − mean(x))</c>, as with <c>label_smoothing</c> of PyTorch's <c>cross_entropy</c>.
    /// Default 0: none.
    /// </summary>
    /// <remarks>
    /// A −inf logit counts as not being in the vocabulary: the mean is over the others. PyTorch makes the loss +inf there.
    /// Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015, section 7.
    /// </remarks>
    public double LabelSmoothing { get; init; }

    /// <summary>
    /// β of the z-loss, <c>β · lse²</c> added to the loss of each token, which keeps the log-sum-exp near 0; finite and at least
    /// 0. It is reported as <see cref="PtxLossResult.ZLoss"/>, apart from the cross-entropy. Default 0: none.
    /// </summary>
    /// <remarks>
    /// Source: Chowdhery et al., "PaLM: Scaling Language Modeling with Pathways", 2022, section 5, where β is 1e-4.
    /// </remarks>
    public double ZLossCoefficient { get; init; }

    /// <summary>
    /// What each logit is multiplied with, after the cap if there is one, before anything else; 1/temperature. Finite and above
    /// 0. Default 1.
    /// </summary>
    public double LogitScale { get; init; } = 1;

    /// <summary>
    /// c, which keeps the logits within ±c: each logit x is replaced by <c>c · tanh(x / c)</c> before anything else, and the
    /// gradient goes back through it. Finite and at least 0. Default 0: logits are taken as they are.
    /// </summary>
    /// <remarks>
    /// Infinite logits are not capped: −inf still masks. Source: Gemma Team, "Gemma 2: Improving Open Language Models at a
    /// Practical Size", 2024, section 2, where c is 30 for the last layer.
    /// </remarks>
    public double LogitSoftCap { get; init; }

    /// <summary>
    /// A factor for each token's losses and gradient that depends on the probability of its target; <c>D</c>, what a mean divides
    /// by, does not contain it, and where it is 0 the token adds nothing. Refused by <see cref="CrossEntropy"/> and for soft
    /// targets. Default <see cref="TargetWeighting.Uniform"/>: none.
    /// </summary>
    public TargetWeighting TargetWeighting { get; init; }

    /// <summary>
    /// What <see cref="PtxLossResult"/> reports besides. Refused by <see cref="CrossEntropy"/>, whose outputs are per token.
    /// Default: nothing.
    /// </summary>
    public LossStatistics Statistics { get; init; }

    /// <summary>
    /// Whether the gradient is added to what its memory holds, as one step of several micro-batches needs it; rows that count
    /// nowhere then stay as they are. Not possible in place, where that memory holds the logits. From hidden states the
    /// gradients of weight and bias are added to; that of the hidden states belongs to one call and is always overwritten.
    /// Default <see langword="false"/>: it is overwritten.
    /// </summary>
    /// <remarks>
    /// In 16 bits the sum is rounded at each call, and stops growing after hundreds of micro-batches (<see cref="BFloat16"/>) or
    /// thousands (<see cref="Half"/>): add up few, or use <see cref="float"/> logits and gradients.
    /// </remarks>
    public bool AccumulateGradient { get; init; }

    /// <summary>
    /// The most threads one call may use, as in <see cref="ParallelOptions.MaxDegreeOfParallelism"/>: −1 (the default) for all
    /// cores, or at least 1. With 1 the call stays on the calling thread and, unless it starts from hidden states, allocates
    /// nothing. Results do not depend on it.
    /// </summary>
    public int MaxDegreeOfParallelism { get; init; } = -1;

    /// <summary>
    /// Where it is set, the logits are a shard of the vocabulary, as in tensor parallelism: the first id that they stand for,
    /// from 0 to 2⁶³ − 2³¹. <see langword="null"/>, the default: they are whole rows. Only <see cref="CrossEntropy"/> takes
    /// shards: a loss needs whole rows.
    /// </summary>
    /// <remarks>
    /// Targets are ids of the whole vocabulary, and one that is in another shard adds no target's logit here: neither
    /// <see cref="CrossEntropyOutputs.TargetLogit"/> nor the target's part of the gradient. Shards may be of different sizes. One
    /// cannot know where the last ends: a target that is in none of them is found by counting those that are in each. Source:
    /// Shoeybi et al., "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism", 2019, section 3.
    /// </remarks>
    public long? VocabularyStart { get; init; }

    /// <summary>
    /// The most working memory that a call from hidden states takes beyond what it is given, in bytes; default 64 MB. Up to a
    /// half holds the logits of some tokens at a time: more tokens make it faster. The rest is for threads, some 0.8 MB each,
    /// and limits how many there are. It is no bound for other calls.
    /// </summary>
    /// <remarks>
    /// The least is what one token and one thread need: a row of logits and two of hidden states, and again as much or 0.8 MB.
    /// </remarks>
    public long MaxScratchBytes { get; init; } = 64 << 20;
}
