using System.Diagnostics.CodeAnalysis;
using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>
/// Where the <c>Forward</c> of <see cref="CrossEntropy"/> writes what it finds per token. Spans left empty are not computed; the
/// others hold one value per token. One pass over the logits fills them all.
/// </summary>
/// <remarks>
/// The logits are z, with <see cref="PtxLossOptions.LogitSoftCap"/> and <see cref="PtxLossOptions.LogitScale"/>: the loss and
/// all else are of these. An ignored token gets 0 in every span and −1 in <see cref="ArgMax"/>: its logits are not read. The
/// log-probability of the target is <see cref="TargetLogit"/> − <see cref="LogSumExp"/>, whatever the smoothing. Where the
/// logits are a shard of the vocabulary (<see cref="PtxLossOptions.VocabularyStart"/>), each value is that of the shard.
/// </remarks>
[SuppressMessage("Design", "CA1051:Do not declare visible instance fields", Justification = "A plain bundle of spans to fill.")]
[SuppressMessage("Performance", "CA1815:Override equals", Justification = "A ref struct cannot be compared as an object.")]
public ref struct CrossEntropyOutputs
{
    /// <summary>
    /// The cross-entropy of each token in nats, <c>logsumexp(z) − z[y]</c>, with <see cref="PtxLossOptions.LabelSmoothing"/>.
    /// Without smoothing its negative is the log-probability of the target. A shard has none.
    /// </summary>
    public Span<double> Loss;

    /// <summary>The log of the sum of the exponentials of each token's logits, <c>log Σ exp(z_i)</c>.</summary>
    public Span<double> LogSumExp;

    /// <summary>
    /// The logit of each token's target, <c>z[y]</c>; 0 if it is in another shard, so that the shards' sum is the logit.
    /// </summary>
    public Span<double> TargetLogit;

    /// <summary>
    /// The entropy of each token's softmax in nats, <c>−Σ p_i log p_i</c>, between 0 and log(vocabularySize).
    /// </summary>
    public Span<double> Entropy;

    /// <summary>The id of each token's largest logit, the lowest id on a tie; the id of the first NaN if there is one.</summary>
    public Span<int> ArgMax;

    internal readonly void CheckLengths(long tokens, string name)
    {
        Shapes.CheckPerToken(Loss.Length, tokens, name, nameof(Loss));
        Shapes.CheckPerToken(LogSumExp.Length, tokens, name, nameof(LogSumExp));
        Shapes.CheckPerToken(TargetLogit.Length, tokens, name, nameof(TargetLogit));
        Shapes.CheckPerToken(Entropy.Length, tokens, name, nameof(Entropy));
        Shapes.CheckPerToken(ArgMax.Length, tokens, name, nameof(ArgMax));
    }
}

/// <summary>
/// What the <c>Backward</c> of <see cref="CrossEntropy"/> differentiates by: ∂L/∂ of outputs, one value per token. Spans left
/// empty are 0. What stands at ignored tokens is not read.
/// </summary>
[SuppressMessage("Design", "CA1051:Do not declare visible instance fields", Justification = "A plain bundle of spans.")]
[SuppressMessage("Performance", "CA1815:Override equals", Justification = "A ref struct cannot be compared as an object.")]
public ref struct CrossEntropyOutputGradients
{
    /// <summary>∂L/∂ of <see cref="CrossEntropyOutputs.Loss"/>: of REINFORCE the advantage, for log p is −loss.</summary>
    public ReadOnlySpan<double> Loss;

    /// <summary>∂L/∂ of <see cref="CrossEntropyOutputs.LogSumExp"/>: of a z-loss β·lse² it is 2·β·lse.</summary>
    public ReadOnlySpan<double> LogSumExp;

    /// <summary>
    /// ∂L/∂ of <see cref="CrossEntropyOutputs.Entropy"/>: of an entropy bonus c·H in a loss that is minimised, −c.
    /// </summary>
    public ReadOnlySpan<double> Entropy;

    internal readonly void CheckLengths(long tokens, string name)
    {
        Shapes.CheckPerToken(Loss.Length, tokens, name, nameof(Loss));
        Shapes.CheckPerToken(LogSumExp.Length, tokens, name, nameof(LogSumExp));
        Shapes.CheckPerToken(Entropy.Length, tokens, name, nameof(Entropy));
    }
}
