namespace PtxLosses.Softmax;

/// <summary>
/// The arithmetic on a row of logits, or on a segment of one: the only code that visits every logit. Stateless;
/// <see cref="SoftmaxKernels"/> decides which one runs.
/// </summary>
internal abstract class SoftmaxKernel<TLogit>
    where TLogit : unmanaged
{
    /// <summary>Logits per block: 4 KB of float, so that a block and what is made of it fit the first-level cache.</summary>
    public const int BlockLength = 1024;

    /// <summary>How the gradients of a batch are best computed.</summary>
    public abstract GradientPlan Plan(in GradientTraits traits);

    /// <summary>Reads the logits, at least one, once, and leaves behind what spares their gradient some work.</summary>
    /// <param name="row">The logits.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="runs">Filled with the runs that the row falls into: room for those of the plan; or empty.</param>
    /// <param name="exponentials">
    /// Where exponentials are stored for <see cref="GradientMethod.ScaleStored"/>: the gradient; or empty.
    /// </param>
    /// <param name="state">What was found.</param>
    public abstract void Reduce(
        ReadOnlySpan<TLogit> row, ReduceOptions options, Span<Run> runs, Span<TLogit> exponentials, out LogSumExpState state);

    /// <summary>Writes a gradient.</summary>
    public abstract void WriteGradient(in GradientRequest<TLogit> request);
}
