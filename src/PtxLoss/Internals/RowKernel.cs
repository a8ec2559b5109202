namespace PtxLosses.Internals;

/// <summary>
/// The arithmetic on one row of logits: the only code that visits every logit. Stateless; <see cref="RowKernels"/> decides
/// which one runs.
/// </summary>
internal abstract class RowKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>Reads a row of at least one logit once.</summary>
    public abstract RowSums Reduce(ReadOnlySpan<TLogit> row, RowDetails details);

    /// <summary>
    /// gradient_i = scale · exp(x_i − logSumExp): the softmax, scaled. <paramref name="gradient"/> is the row itself or disjoint
    /// from it.
    /// </summary>
    public abstract void WriteSoftmax(ReadOnlySpan<TLogit> row, double logSumExp, double scale, Span<TLogit> gradient);

    public abstract double ToDouble(TLogit value);

    /// <summary>Rounds to nearest, once.</summary>
    public abstract TLogit FromDouble(double value);
}
