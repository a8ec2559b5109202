namespace PtxLosses.Softmax;

/// <summary>
/// Logits of a row that follow each other and were reduced relative to the same reference: up to <paramref name="End"/>.
/// </summary>
/// <param name="End">Where the next run starts, or the row ends.</param>
/// <param name="Reference">The reference, a logit; −inf if all are masked; NaN for logits that are worked on in double.</param>
internal readonly record struct Run(int End, float Reference)
{
    public bool IsInDouble => float.IsNaN(Reference);
}

/// <summary>Where a gradient's exponentials come from, and how the gradient is stored.</summary>
internal enum GradientMethod
{
    /// <summary>From the logits, again.</summary>
    Recompute,

    /// <summary>From the gradient's memory, where the reduction stored them. That memory may be the logits' own.</summary>
    ScaleStored,

    /// <summary>
    /// From the logits, again, and the gradient is written past the caches, by non-temporal stores that may arrive late: a
    /// barrier must follow.
    /// </summary>
    NonTemporal,
}

/// <summary>What is known of a batch whose gradient is wanted.</summary>
/// <param name="RowLength">Logits per row.</param>
/// <param name="SegmentLength">How many of them are reduced at a time.</param>
/// <param name="IsReduced">Whether rows are reduced in the same pass, or their log-sum-exps known before.</param>
/// <param name="NeedsLogits">
/// Whether exponentials, times cap' where there is a soft cap, in place of the logits are not enough: the entropy is
/// differentiated, capped logits are smoothed, or statistics are looked for after the exponentials.
/// </param>
/// <param name="Accumulates">Whether the gradient is added to what is there.</param>
/// <param name="ExceedsCaches">
/// Whether the gradient goes to other memory than the logits, and is larger than the caches.
/// </param>
internal readonly record struct GradientTraits(
    int RowLength, int SegmentLength, bool IsReduced, bool NeedsLogits, bool Accumulates, bool ExceedsCaches);

/// <summary>How the gradients of a batch are computed: decided once, by the kernel.</summary>
/// <param name="Method">The method.</param>
/// <param name="RunsPerSegment">Room for the runs that the reduction of a segment leaves to its gradient; 0 for none.</param>
internal readonly record struct GradientPlan(GradientMethod Method, int RunsPerSegment);

/// <summary>
/// The gradient of a row, or of a part of one, that is yet to be written:
/// <c>(exp(z_i − Reference) · (Factor − EntropyFactor · (z_i − Reference)) − Uniform) · cap'(x_i)</c>, and 0 where z_i is −inf.
/// </summary>
internal readonly ref struct GradientRequest<TLogit>
    where TLogit : unmanaged
{
    /// <summary>The logits x.</summary>
    public ReadOnlySpan<TLogit> Row { get; init; }

    /// <summary>Where it goes: the logits themselves, or memory disjoint from them.</summary>
    public Span<TLogit> Gradient { get; init; }

    /// <summary>The reference of the whole row, or its log-sum-exp.</summary>
    public double Reference { get; init; }

    public double Factor { get; init; }

    public double EntropyFactor { get; init; }

    public double Uniform { get; init; }

    public required LogitTransform Transform { get; init; }

    /// <summary>Whether it is added to what is there.</summary>
    public bool Accumulates { get; init; }

    public GradientMethod Method { get; init; }

    /// <summary>What the reduction left; empty if there was none, or if it was in double.</summary>
    public ReadOnlySpan<Run> Runs { get; init; }

    /// <summary>The part for some of the logits.</summary>
    public GradientRequest<TLogit> Slice(int start, int count)
        => this with { Row = Row.Slice(start, count), Gradient = Gradient.Slice(start, count), Runs = [] };
}
