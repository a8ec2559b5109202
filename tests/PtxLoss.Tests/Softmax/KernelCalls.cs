namespace PtxLosses.Tests;

/// <summary>What a pass asks of a kernel, in one call.</summary>
internal static class KernelCalls
{
    /// <summary>What is asked of a reduction, without a scale.</summary>
    public static ReduceOptions Options(RowStatistics statistics, double softCap = 0) => new(statistics, new(softCap, Scale: 1));

    public static void Reduce<TLogit>(
        this SoftmaxKernel<TLogit> kernel,
        ReadOnlySpan<TLogit> row,
        RowStatistics statistics,
        double softCap,
        out LogSumExpState state)
        where TLogit : unmanaged
        => kernel.Reduce(row, Options(statistics, softCap), [], [], out state);

    /// <summary>Room for the runs that a row falls into; none if the kernel leaves none.</summary>
    public static Run[] MakeRuns<TLogit>(this SoftmaxKernel<TLogit> kernel, int length)
        where TLogit : unmanaged
    {
        var traits = new GradientTraits(
            length, Math.Max(1, length), IsReduced: true, NeedsLogits: true, Accumulates: false, ExceedsCaches: false);
        return new Run[kernel.Plan(traits).RunsPerSegment];
    }

    /// <summary>Whether the kernel stores exponentials for a gradient of rows of this length.</summary>
    public static bool Stores<TLogit>(this SoftmaxKernel<TLogit> kernel, int length)
        where TLogit : unmanaged
        => kernel.Plan(
            new(
                length,
                length,
                IsReduced: true,
                NeedsLogits: false,
                Accumulates: false,
                ExceedsCaches: false)).Method == GradientMethod.ScaleStored;

    /// <summary>Reduces a row and writes its gradient.</summary>
    public static LogSumExpState WriteGradient(
        this SoftmaxKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, double scale, bool streams)
        => kernel.WriteGradient(row, gradient, scale, streams, kernel.MakeRuns(row.Length));

    public static LogSumExpState WriteGradient(
        this SoftmaxKernel<float> kernel,
        ReadOnlySpan<float> row,
        Span<float> gradient,
        double scale,
        bool streams,
        Span<Run> runs)
    {
        GradientMethod method = streams ? GradientMethod.NonTemporal
            : runs.IsEmpty ? GradientMethod.Recompute
            : GradientMethod.ScaleStored;
        kernel.Reduce(
            row,
            Options(RowStatistics.None),
            runs,
            method == GradientMethod.ScaleStored ? gradient : [],
            out LogSumExpState state);
        kernel.WriteGradient(new()
        {
            Row = row,
            Gradient = gradient,
            Reference = state.LogSumExp,
            Factor = scale,
            Transform = LogitTransform.Identity,
            Runs = runs,
            Method = method,
        });
        return state;
    }
}
