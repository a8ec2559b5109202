namespace PtxLosses.Tests;

/// <summary>What a pass asks of a kernel, in one call.</summary>
internal static class KernelCalls
{
    /// <summary>Room for the runs that a row falls into; none if the kernel leaves none.</summary>
    public static Run[] MakeRuns(this RowKernel<float> kernel, int length)
        => kernel.LeavesRuns ? new Run[RowKernel<float>.MaxRuns(length)] : [];

    /// <summary>Both looks at a row.</summary>
    public static RowSums WriteGradient(
        this RowKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, double scale, bool streams)
        => kernel.WriteGradient(row, gradient, scale, streams, kernel.MakeRuns(row.Length));

    public static RowSums WriteGradient(
        this RowKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, double scale, bool streams, Span<Run> runs)
    {
        SecondLook look = streams ? SecondLook.Streams : runs.IsEmpty ? SecondLook.Recomputes : SecondLook.Scales;
        kernel.Reduce(row, new(RowDetails.None), look == SecondLook.Scales ? gradient : [], runs, default, out RowSums sums);
        kernel.Write(new()
        {
            Row = row,
            Gradient = gradient,
            Reference = sums.LogSumExp,
            SoftmaxScale = scale,
            Runs = runs,
            Look = look,
        });
        return sums;
    }
}
