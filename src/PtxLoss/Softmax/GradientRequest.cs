namespace PtxLosses.Softmax;

/// <summary>Logits of a row that follow each other and were taken relative to the same reference: up to <paramref name="End"/>.</summary>
/// <param name="End">Where the next run starts, or the row ends.</param>
/// <param name="Reference">The reference; NaN for logits that are worked on in double.</param>
internal readonly record struct Run(int End, float Reference)
{
    public bool IsInDouble => float.IsNaN(Reference);
}

/// <summary>How the second look at a row finds the exponentials.</summary>
internal enum GradientPlan
{
    /// <summary>From the logits, again.</summary>
    Recomputes,

    /// <summary>
    /// As <see cref="Recomputes"/>, and the gradient is written past the caches, by stores that may arrive late: a barrier must follow.
    /// </summary>
    Streams,

    /// <summary>Where the first look left them, in the gradient's memory, which may be the logits' own.</summary>
    Scales,
}

/// <summary>
/// The gradient of a row, or of a part of one, that is yet to be written:
/// gradient_i (+)= (SoftmaxScale · exp(x'_i − Reference) − Uniform) · dx'_i/dx_i, where x' is the capped logit; a −inf logit's is 0.
/// </summary>
internal readonly ref struct GradientRequest<TLogit>
    where TLogit : unmanaged
{
    private readonly ReadOnlySpan<Run> _runs;
    private readonly GradientPlan _look;

    /// <summary>The logits.</summary>
    public ReadOnlySpan<TLogit> Row { get; init; }

    /// <summary>Where it goes: the logits themselves, or memory disjoint from them.</summary>
    public Span<TLogit> Gradient { get; init; }

    /// <summary>The reference of the whole row, or its log-sum-exp.</summary>
    public double Reference { get; init; }

    /// <summary>What the row's exponentials are multiplied with: softmax is exp(x'_i − Reference) / Σ.</summary>
    public double SoftmaxScale { get; init; }

    public double Uniform { get; init; }

    /// <summary>c of x' = c·tanh(x/c), or 0.</summary>
    public double SoftCap { get; init; }

    /// <summary>Whether it is added to what is there.</summary>
    public bool Accumulates { get; init; }

    /// <summary>
    /// What the first look left, up to the row's end; empty where there is one reference for all: if there was no first look, and
    /// for short rows.
    /// </summary>
    public ReadOnlySpan<Run> Runs
    {
        get => IsShort ? [] : _runs;
        init => _runs = value;
    }

    /// <summary>How the exponentials are found.</summary>
    public GradientPlan Look
    {
        get => IsShort ? GradientPlan.Recomputes : _look;
        init => _look = value;
    }

    public bool IsEmpty => Row.IsEmpty;

    /// <summary>The part for some of the logits.</summary>
    public GradientRequest<TLogit> Slice(int start, int count)
        => this with { Row = Row.Slice(start, count), Gradient = Gradient.Slice(start, count), Runs = [] };

    private bool IsShort => Row.Length <= DoubleRows.MaxShortLength;
}
