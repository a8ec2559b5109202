namespace PtxLosses.Tests;

/// <summary>What a pass asks of a kernel, in one call.</summary>
internal static class KernelCalls
{
    /// <summary>Room for the runs that a row falls into; none if the kernel leaves none.</summary>
    public static Run[] MakeRuns(this SoftmaxKernel<float> kernel, int length)
        => kernel.LeavesRuns ? new Run[SoftmaxKernel<float>.MaxRuns(length)] : [];

    /// <summary>Both looks at a row.</summary>
    public static LogSumExpState WriteGradient(
        this SoftmaxKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, double scale, bool streams)
        => kernel.WriteGradient(row, gradient, scale, streams, kernel.MakeRuns(row.Length));

    public static LogSumExpState WriteGradient(
        this SoftmaxKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, double scale, bool streams, Span<Run> runs)
    {
        GradientPlan look = streams ? GradientPlan.Streams : runs.IsEmpty ? GradientPlan.Recomputes : GradientPlan.Scales;
        kernel.Reduce(row, new(RowStatistics.None), look == GradientPlan.Scales ? gradient : [], runs, default, out LogSumExpState sums);
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
