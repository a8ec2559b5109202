using System.Diagnostics.CodeAnalysis;

namespace PtxLosses;

/// <summary>
/// Where <see cref="CrossEntropy.Forward"/> writes what it finds per token. Spans left empty are not computed; the others hold
/// one value per token. One pass over the logits fills them all.
/// </summary>
/// <remarks>
/// An ignored token gets 0 in every span and −1 in <see cref="ArgMax"/>: its logits are not read. The log-probability of the target is
/// <see cref="TargetLogit"/> − <see cref="LogSumExp"/>, whatever the smoothing. Where the logits are a shard of the vocabulary
/// (<see cref="PtxLossOptions.VocabularyStart"/>), each value is that of the shard.
/// </remarks>
[SuppressMessage("Design", "CA1051:Do not declare visible instance fields", Justification = "A plain bundle of spans to fill.")]
[SuppressMessage("Performance", "CA1815:Override equals", Justification = "A ref struct cannot be compared as an object.")]
public ref struct CrossEntropyOutputs
{
    /// <summary>
    /// The cross-entropy of each token in nats, <c>logsumexp(x) − x[y]</c>, with <see cref="PtxLossOptions.LabelSmoothing"/> and
    /// <see cref="PtxLossOptions.LogitSoftCap"/>. Without smoothing its negative is the log-probability of the target. A shard has none.
    /// </summary>
    public Span<double> Loss;

    /// <summary>The log of the sum of the exponentials of each token's logits, <c>log Σ exp(x_i)</c>, capped if there is a cap.</summary>
    public Span<double> LogSumExp;

    /// <summary>The logit of each token's target, <c>x[y]</c>, capped if there is a cap; 0 if it is in another shard, so that the shards' sum is the logit.</summary>
    public Span<double> TargetLogit;

    /// <summary>
    /// The entropy of each token's softmax in nats, <c>−Σ p_i log p_i</c>, between 0 and log(vocabularySize); of capped logits if
    /// there is a cap.
    /// </summary>
    public Span<double> Entropy;

    /// <summary>The id of each token's largest logit, the lowest id on a tie; the id of the first NaN if there is one.</summary>
    public Span<int> ArgMax;
}
