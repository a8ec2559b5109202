using System.Numerics.Tensors;

namespace PtxLosses.Samples.Mpi;

/// <summary>The ranks' step beside that of one process.</summary>
/// <param name="Loss">The larger difference of cross-entropy and total, in nats; of losses above 1, relative to them.</param>
/// <param name="Gradient">The largest difference of an element, in parts of the largest element: trunk or output layer.</param>
internal readonly record struct Comparison(double Loss, double Gradient)
{
    /// <summary>
    /// The losses are sums of doubles, but of logits that are float, from weights that differ by the roundings of up to
    /// four steps before: mostly below 1e-7 nats, 4e-7 where the training is at its least steady.
    /// </summary>
    public const double LossTolerance = 2e-6;

    /// <summary>
    /// Each element is a float sum over up to thousands of tokens, in parts by micro-batch, replica and shard here and at
    /// once there: mostly 1e-6, and 1e-5 where a step magnifies what the steps before left. A part that is missing or there
    /// twice shows as 1e-2.
    /// </summary>
    public const double GradientTolerance = 5e-5;

    /// <summary>NaN is not within.</summary>
    public bool IsWithin => Loss <= LossTolerance && Gradient <= GradientTolerance;

    public static Comparison Of(
        PtxLossResult loss,
        PtxLossResult expectedLoss,
        ReadOnlySpan<float> trunkGradient,
        ReadOnlySpan<float> outputGradient,
        OneProcess expected)
    {
        double crossEntropy = Difference(loss.LanguageModelLoss, expectedLoss.LanguageModelLoss);
        double total = Difference(loss.Total, expectedLoss.Total);
        double trunk = LargestDifference(trunkGradient, expected.TrunkGradient.Values);
        double output = LargestDifference(outputGradient, expected.Output.Gradient.Span);
        return new Comparison(Math.Max(crossEntropy, total), Math.Max(trunk, output));
    }

    private static double Difference(double actual, double expected) =>
        Math.Abs(actual - expected) / Math.Max(1, Math.Abs(expected));

    private static double LargestDifference(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        float[] difference = new float[actual.Length];
        TensorPrimitives.Subtract(actual, expected, difference);
        float largest = Math.Abs(TensorPrimitives.MaxMagnitude(difference));
        return largest == 0 ? 0 : largest / Math.Abs(TensorPrimitives.MaxMagnitude(expected));
    }
}
