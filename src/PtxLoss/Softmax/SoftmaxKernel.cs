using PtxLosses.Common;

namespace PtxLosses.Softmax;

/// <summary>
/// The arithmetic on a row of logits, or on a part of one: the only code that visits every logit. Stateless;
/// <see cref="SoftmaxKernels"/> decides which one runs.
/// </summary>
internal abstract class SoftmaxKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>Logits per block: 4 KB of float, so that a block and what is made of it fit the first-level cache.</summary>
    public const int BlockLength = 1024;

    /// <summary>Whether the first look at a row leaves runs to the second.</summary>
    public virtual bool LeavesRuns => false;

    /// <summary>Whether the first look can leave exponentials where the gradient goes.</summary>
    public virtual bool LeavesExponentials => false;

    /// <summary>Room for the runs of a row, or of a part of one: a run per block, and two where the odd rest begins.</summary>
    public static int MaxRuns(int length) => Segments.Count(length, BlockLength) + 2;

    /// <summary>Whether a gradient that streams is better written beside the first look at another row than alone.</summary>
    public virtual bool StreamsBeside => false;

    /// <summary>Reads the logits, at least one, once.</summary>
    public void Reduce(ReadOnlySpan<TLogit> row, ReduceOptions question, out LogSumExpState sums)
        => Reduce(row, question, [], [], default, out sums);

    /// <summary>Reads the logits, at least one, once, and leaves behind what spares the second look some work.</summary>
    /// <param name="row">The logits.</param>
    /// <param name="question">What is asked for.</param>
    /// <param name="kept">Where the gradient will go, if the exponentials are to be left there; or empty.</param>
    /// <param name="runs">Filled with the runs that the row falls into: room for <see cref="MaxRuns"/>; or empty.</param>
    /// <param name="beside">The gradient of another row, which is written meanwhile; or empty.</param>
    /// <param name="sums">What was found.</param>
    public void Reduce(
        ReadOnlySpan<TLogit> row, ReduceOptions question, Span<TLogit> kept, Span<Run> runs, in GradientRequest<TLogit> beside, out LogSumExpState sums)
    {
        if (row.Length > DoubleRows.MaxShortLength)
        {
            ReduceLong(row, question, kept, runs, in beside, out sums);
            return;
        }

        DoubleRows.Reduce(row, question, out sums);
        if (!beside.IsEmpty)
        {
            Write(in beside);
        }
    }

    /// <summary>Writes a gradient.</summary>
    public void Write(in GradientRequest<TLogit> write)
    {
        if (write.Row.Length > DoubleRows.MaxShortLength)
        {
            WriteLong(in write);
        }
        else
        {
            DoubleRows.Write(in write);
        }
    }

    protected abstract void ReduceLong(
        ReadOnlySpan<TLogit> row, ReduceOptions question, Span<TLogit> kept, Span<Run> runs, in GradientRequest<TLogit> beside, out LogSumExpState sums);

    protected abstract void WriteLong(in GradientRequest<TLogit> write);
}
