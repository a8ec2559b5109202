namespace PtxLosses.Benchmarks;

/// <summary>The library, called as its users call it.</summary>
internal sealed class LibraryCalls(LossProblem problem, int threads)
{
    private readonly PtxLossOptions _options = new() { MaxDegreeOfParallelism = threads };

    public double Compute() => PtxLoss.Compute<float, int>(
        LossProblem.RlLoss,
        problem.Logits.Span,
        problem.Targets,
        problem.Shape.VocabularySize,
        LossProblem.Coefficient,
        _options).Total;

    public double ComputeWithGradient() => Compute(problem.Logits);

    /// <summary>
    /// The gradient over the logits. From the second call on these are the gradient of the call before: small numbers, none of
    /// them subnormal, which take as long as any others.
    /// </summary>
    public double ComputeWithGradientInPlace() => Compute(problem.Gradient);

    private double Compute(AlignedFloats logits) => PtxLoss.ComputeWithGradient<float, int>(
        LossProblem.RlLoss,
        logits.Span,
        problem.Targets,
        problem.Shape.VocabularySize,
        LossProblem.Coefficient,
        problem.Gradient.Span,
        _options).Total;
}
