namespace PtxLosses.Tests;

/// <summary>The capped logit and its slope, and the finite differences of what is made of them.</summary>
public class TanhCapTests
{
    private const double Ulp = 1.0 / (1L << 52);

    [Fact]
    public void The_cap_is_that_of_Math_to_a_few_ulps_of_itself()
    {
        var random = new Random(1);
        for (int i = 0; i < 100_000; i++)
        {
            double c = Math.Exp((random.NextDouble() * 60) - 30);
            double x = (random.Next(2) == 0 ? -c : c) * Math.Exp((random.NextDouble() * 60) - 50);
            double expected = c * Math.Tanh(x / c);
            var cap = new TanhCap(c);

            Math.Abs(cap.Of(x) - expected).Should().BeLessThanOrEqualTo(4 * Ulp * Math.Abs(expected), "x is {0}, c is {1}", x, c);
            double slope = Math.Pow(Math.Cosh(x / c), -2);
            Math.Abs(cap.Slope(x) - slope).Should().BeLessThanOrEqualTo((16 + (4 * Math.Abs(x / c))) * Ulp * slope + 1e-300);
        }
    }

    [Fact]
    public void Special_values()
    {
        var cap = new TanhCap(30);
        cap.Of(0.0).ShouldBeIdentical(0);
        cap.Of(-0.0).ShouldBeIdentical(-0.0);
        cap.Of(double.MaxValue).Should().Be(30);
        cap.Of(-float.MaxValue).Should().Be(-30);
        cap.Of(double.NaN).Should().Be(double.NaN);
        foreach (double infinity in new[] { double.NegativeInfinity, double.PositiveInfinity })
        {
            cap.Of(infinity).Should().Be(infinity);
            cap.Slope(infinity).Should().Be(1);
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    public void A_target_at_minus_infinity_keeps_its_gradient(int vocabularySize)
    {
        float[] logits = new float[vocabularySize], gradient = new float[vocabularySize];
        logits[1] = float.NegativeInfinity;
        var options = new PtxLossOptions { LogitSoftCap = 5, LabelSmoothing = 0.25 };

        double total = PtxLoss.ComputeWithGradient(0, logits, [1], vocabularySize, 2, gradient, options).Total;

        total.Should().Be(double.PositiveInfinity);
        gradient[1].Should().Be(-1.5f);
        gradient[0].Should().BeApproximately(1.5f / (vocabularySize - 1), 1e-6f);
    }
}
