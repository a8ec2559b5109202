namespace PtxLosses.Internals;

/// <summary>
/// The arithmetic on a row of logits, or on a part of one: the only code that visits every logit. Stateless;
/// <see cref="RowKernels"/> decides which one runs.
/// </summary>
internal abstract class RowKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>Logits per block: 4 KB of float, so that a block and what is made of it fit the first-level cache.</summary>
    public const int BlockLength = 1024;

    /// <summary>Reads the logits, at least one, once.</summary>
    public void Reduce(ReadOnlySpan<TLogit> row, RowDetails details, out RowSums sums)
        => ReduceForGradient(row, details, [], [], streams: false, out sums);

    /// <summary>As <see cref="Reduce"/>, to the same bits, leaving behind what spares <see cref="WriteGradient"/> some work.</summary>
    /// <param name="row">The logits.</param>
    /// <param name="details">What is asked for besides the sum.</param>
    /// <param name="gradient">Where the gradient will go: the logits themselves, or memory disjoint from them.</param>
    /// <param name="references">For the kernel's use between the two calls: one per block, or empty.</param>
    /// <param name="streams">Whether the gradient is to be written past the caches.</param>
    /// <param name="sums">What was found.</param>
    public void ReduceForGradient(
        ReadOnlySpan<TLogit> row, RowDetails details, Span<TLogit> gradient, Span<float> references, bool streams, out RowSums sums)
    {
        if (row.Length > ShortRows.MaxLength)
        {
            ReduceLong(row, details, gradient, references, streams, out sums);
        }
        else
        {
            ShortRows.Reduce(row, details, out sums);
        }
    }

    /// <summary>
    /// gradient_i = scale · exp(x_i − logSumExp), the softmax scaled, after <see cref="ReduceForGradient"/> on the same spans.
    /// </summary>
    public void WriteGradient(
        ReadOnlySpan<TLogit> row, double logSumExp, double scale, Span<TLogit> gradient, ReadOnlySpan<float> references, bool streams)
    {
        if (row.Length > ShortRows.MaxLength)
        {
            WriteLongGradient(row, logSumExp, scale, gradient, references, streams);
        }
        else
        {
            WriteSoftmax(row, logSumExp, scale, gradient, streams);
        }
    }

    /// <summary>gradient_i = scale · exp(x_i − logSumExp) from the logits alone.</summary>
    public abstract void WriteSoftmax(
        ReadOnlySpan<TLogit> row, double logSumExp, double scale, Span<TLogit> gradient, bool streams);

    /// <summary>
    /// scale · exp(reference − logSumExp), in double: a log-sum-exp rounded to float is off by up to half an ulp, 5e-4 at 10,000,
    /// which this takes back. At most <paramref name="max"/> if it is finite: infinity times the exponential of a masked logit,
    /// 0, would be NaN.
    /// </summary>
    protected static double Factor(double reference, double logSumExp, double scale, double max)
    {
        double factor = scale * Math.Exp(reference - logSumExp);
        return double.IsFinite(factor) ? Math.Clamp(factor, -max, max) : factor;
    }

    protected abstract void ReduceLong(
        ReadOnlySpan<TLogit> row, RowDetails details, Span<TLogit> gradient, Span<float> references, bool streams, out RowSums sums);

    protected virtual void WriteLongGradient(
        ReadOnlySpan<TLogit> row, double logSumExp, double scale, Span<TLogit> gradient, ReadOnlySpan<float> references, bool streams)
        => WriteSoftmax(row, logSumExp, scale, gradient, streams);
}
