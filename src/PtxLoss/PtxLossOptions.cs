namespace PtxLosses;

/// <summary>How a loss is computed. Immutable; where an API takes options, <see langword="null"/> means <see cref="Default"/>.</summary>
/// <remarks>Values out of range are reported by the call that uses the options, as an <see cref="ArgumentException"/>.</remarks>
public sealed record PtxLossOptions
{
    /// <summary>The mean over all tokens whose target is not −100, on all cores.</summary>
    public static PtxLossOptions Default { get; } = new();

    /// <summary>
    /// The target that marks a token as not counting: it adds nothing to the loss, to the gradient or to the count, and its
    /// logits are not read. <see langword="null"/>: every target counts. Default −100, as in PyTorch's <c>cross_entropy</c>; targets
    /// of an unsigned type cannot be −100 and need another.
    /// </summary>
    public int? IgnoreIndex { get; init; } = -100;

    /// <summary>Mean (the default) or sum over the tokens.</summary>
    public LossReduction Reduction { get; init; }

    /// <summary>
    /// What <see cref="LossReduction.Mean"/> divides by instead of this call's own count: the count of tokens over all
    /// micro-batches and replicas that make one step (see <see cref="PtxLoss.CountTokens"/>). Finite and above 0;
    /// <see langword="null"/>: this call's own count.
    /// </summary>
    public double? Denominator { get; init; }

    /// <summary>
    /// The most threads one call may use, as in <see cref="ParallelOptions.MaxDegreeOfParallelism"/>: −1 (the default) for all
    /// cores, or at least 1. With 1 the call stays on the calling thread and allocates nothing. Results do not depend on it.
    /// </summary>
    public int MaxDegreeOfParallelism { get; init; } = -1;
}
