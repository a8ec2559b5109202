namespace PtxLosses.Internals;

/// <summary>The one place that decides which kernel runs.</summary>
internal static class RowKernels
{
    /// <summary>The kernels that can run on this machine for an element type, best first; none if the type is not supported.</summary>
    public static IReadOnlyList<RowKernel<TLogit>> Available<TLogit>()
        where TLogit : unmanaged
    {
        // TensorPrimitives picks the widest vectors the machine has and runs without any, so it serves every machine.
        object[] candidates = [new TensorPrimitivesKernel<float>(), new TensorPrimitivesKernel<double>()];
        return [.. candidates.OfType<RowKernel<TLogit>>()];
    }

    /// <summary>The kernel that runs for logits of this type.</summary>
    /// <exception cref="ArgumentException">The type is not supported.</exception>
    public static RowKernel<TLogit> For<TLogit>(ReadOnlySpan<TLogit> logits)
        where TLogit : unmanaged
        => Cache<TLogit>.Best
            ?? throw new ArgumentException(
                $"logits of type {typeof(TLogit)} are not supported; float and double are.", nameof(logits));

    private static class Cache<TLogit>
        where TLogit : unmanaged
    {
        public static readonly RowKernel<TLogit>? Best = Available<TLogit>() is [var best, ..] ? best : null;
    }
}
