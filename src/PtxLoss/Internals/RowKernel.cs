using System.Runtime.CompilerServices;

namespace PtxLosses.Internals;

/// <summary>
/// The arithmetic on one row of logits: the only code that visits every logit. Stateless; <see cref="RowKernels"/> decides
/// which one runs.
/// </summary>
internal abstract class RowKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>
    /// Rows up to this length are summed in double throughout: exponentials in float leave a loss off by some 1e-8, which shows
    /// in the sixth digit of a short list, where nothing averages it out, and costs nothing worth saving there.
    /// </summary>
    public const int ShortRow = 256;

    private static readonly TensorPrimitivesKernel<double> _double = new();

    /// <summary>Reads a row of at least one logit once.</summary>
    [SkipLocalsInit]
    public RowSums Reduce(ReadOnlySpan<TLogit> row, RowDetails details)
    {
        if (row.Length > ShortRow || typeof(TLogit) == typeof(double))
        {
            return ReduceLong(row, details);
        }

        Span<double> wide = stackalloc double[ShortRow];
        wide = wide[..row.Length];
        Widen(row, wide);
        return _double.Reduce(wide, details);
    }

    /// <summary>
    /// gradient_i = scale · exp(x_i − logSumExp): the softmax, scaled. <paramref name="gradient"/> is the row itself or disjoint
    /// from it.
    /// </summary>
    public abstract void WriteSoftmax(ReadOnlySpan<TLogit> row, double logSumExp, double scale, Span<TLogit> gradient);

    public abstract double ToDouble(TLogit value);

    /// <summary>Rounds to nearest, once.</summary>
    public abstract TLogit FromDouble(double value);

    protected abstract RowSums ReduceLong(ReadOnlySpan<TLogit> row, RowDetails details);

    protected abstract void Widen(ReadOnlySpan<TLogit> row, Span<double> wide);
}
