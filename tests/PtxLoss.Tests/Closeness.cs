using FluentAssertions.Execution;

namespace PtxLosses.Tests;

/// <summary>Comparisons of whole arrays that name the first element that is off.</summary>
internal static class Closeness
{
    /// <summary>
    /// The contract's bound on a loss of float logits: 1e-6, absolute up to 100, relative beyond. Infinities and NaN must be
    /// the same.
    /// </summary>
    public static void ShouldBeTheLoss(this double actual, double expected, string because = "")
        => IsClose(actual, expected, 1e-6 * Math.Max(1, Math.Abs(expected) / 100)).Should().BeTrue(
            "{0} must be {1} to 1e-6 {2}", actual, expected, because);

    public static void ShouldBeLosses(this double[] actual, double[] expected)
        => ShouldBeClose(actual, expected, i => 1e-6 * Math.Max(1, Math.Abs(expected[i]) / 100));

    /// <summary>
    /// The bound on a gradient of float logits, scale·(p − onehot). scale·p is off by less than 1e-5 of itself: by the rounding
    /// of x − lse (2⁻²⁴ of at most 104, beyond which p is 0), of exp and of the product. Where the target is sure, p − 1 keeps
    /// what the rounding of Σ exp to float leaves of it. Subnormal numbers may be flushed.
    /// </summary>
    public static void ShouldBeTheGradient(this float[] actual, double[] expected, double scale)
        => ShouldBeClose(
            TestData.ToDouble(actual),
            expected,
            i => (1e-5 * Math.Abs(expected[i]))
                + (expected[i] * scale < 0 ? 3e-7 * Math.Abs(scale) : (1 + Math.Abs(scale)) * 1.2e-38));

    public static void ShouldBeTheGradient(this double[] actual, double[] expected)
        => ShouldBeClose(actual, expected, i => 1e-12 * Math.Max(1e-3, Math.Abs(expected[i])));

    /// <summary>Equal to the last bit, NaN and the sign of zero included.</summary>
    public static void ShouldBeIdentical(this float[] actual, float[] expected)
        => actual.Select(BitConverter.SingleToInt32Bits).SequenceEqual(expected.Select(BitConverter.SingleToInt32Bits))
            .Should().BeTrue("results must not differ in a bit");

    public static void ShouldBeIdentical(this double actual, double expected)
        => BitConverter.DoubleToInt64Bits(actual).Should().Be(
            BitConverter.DoubleToInt64Bits(expected), "results must not differ in a bit");

    public static void ShouldBeClose(double[] actual, double[] expected, Func<int, double> tolerance)
    {
        actual.Should().HaveSameCount(expected);
        for (int i = 0; i < actual.Length; i++)
        {
            if (!IsClose(actual[i], expected[i], tolerance(i)))
            {
                Execute.Assertion.FailWith("element {0} is {1}, but must be {2} to {3}", i, actual[i], expected[i], tolerance(i));
            }
        }
    }

    private static bool IsClose(double actual, double expected, double tolerance)
        => actual.Equals(expected) || (double.IsFinite(expected) && Math.Abs(actual - expected) <= tolerance);
}
