namespace PtxLosses.Tests;

/// <summary>Infinities, NaN, masks, and batches in which nothing counts.</summary>
public class SpecialValueTests
{
    private const float Inf = float.PositiveInfinity;

    [Fact]
    public void A_masked_logit_adds_nothing_and_gets_gradient_0()
    {
        foreach (int vocabularySize in new[] { 2, 3, 17, 64, 257, 1500, 5000 })
        {
            float[] logits = TestData.Logits(vocabularySize, seed: vocabularySize);
            for (int i = 1; i < vocabularySize; i += 2)
            {
                logits[i] = -Inf;
            }

            float[] visible = [.. logits.Where((_, i) => i % 2 == 0)];
            double expected = ScalarReference.Compute<float, int>(0, visible, [0], visible.Length, 1).Total;
            float[] gradient = new float[vocabularySize];
            double total = PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, 1, gradient).Total;

            total.ShouldBeTheLoss(expected);
            gradient.Where((_, i) => i % 2 == 1).Should().OnlyContain(x => x == 0);
            gradient.Sum(x => (double)x).Should().BeApproximately(0, 1e-6);
        }
    }

    [Theory]
    [InlineData(-2000, 2000)]
    [InlineData(2000, -2000)]
    public void Ends_of_a_long_row_may_be_far_apart(float first, float last)
    {
        const int half = 40_000;
        float[] logits = [.. Enumerable.Repeat(first, half), .. Enumerable.Repeat(last, half)], gradient = new float[2 * half];

        double total = PtxLoss.ComputeWithGradient(0, logits, [half - 1], 2 * half, 1, gradient).Total;

        total.ShouldBeTheLoss(2000 + Math.Log(half) - first);
        gradient[^1].Should().BeApproximately(last > first ? 1f / half : 0, 1e-9f);
    }

    [Fact]
    public void A_first_block_of_only_masked_logits_adds_nothing()
    {
        float[] logits = [.. Enumerable.Repeat(-Inf, 3000), 1, 2];

        PtxLoss.Compute(0, logits, [3001], logits.Length, 1).Total.ShouldBeTheLoss(Math.Log(1 + Math.Exp(-1)));
    }

    [Fact]
    public void A_target_at_minus_infinity_gives_plus_infinity()
    {
        float[] gradient = new float[3];

        double total = PtxLoss.ComputeWithGradient(0, [0f, -Inf, 0f], [1], 3, 1, gradient).Total;

        total.Should().Be(double.PositiveInfinity);
        gradient.Should().Equal(0.5f, -1, 0.5f);
    }

    [Theory]
    [InlineData(float.NaN, 1f)]
    [InlineData(1f, float.NaN)]
    [InlineData(Inf, 1f)]
    [InlineData(1f, Inf)]
    [InlineData(Inf, Inf)]
    [InlineData(-Inf, -Inf)]
    [InlineData(float.NaN, Inf)]
    [InlineData(Inf, float.NaN)]
    [InlineData(-Inf, float.NaN)]
    public void Rows_without_a_softmax_make_the_loss_NaN_and_leave_other_rows_alone(float first, float last)
    {
        foreach (int vocabularySize in new[] { 2, 16, 100, 3000 })
        {
            float middle = float.IsNegativeInfinity(first) && float.IsNegativeInfinity(last) ? -Inf : 0;
            float[] row = [first, .. Enumerable.Repeat(middle, vocabularySize - 2), last];
            float[] healthy = TestData.Logits(vocabularySize, seed: 1);
            float[] logits = [.. row, .. healthy];
            float[] gradient = new float[logits.Length];
            double[] loss = new double[2];

            double total = PtxLoss.ComputeWithGradient(0, logits, [0, 1], vocabularySize, 1, gradient).Total;
            CrossEntropy.Forward(logits, [0, 1], vocabularySize, new CrossEntropyOutputs { Loss = loss });

            total.Should().Be(double.NaN);
            loss[0].Should().Be(double.NaN);
            gradient[..vocabularySize].Should().OnlyContain(x => float.IsNaN(x));
            ScalarReference expected = ScalarReference.Compute<float, int>(0, healthy, [1], vocabularySize, 0.5);
            loss[1].ShouldBeTheLoss(expected.Loss[0]);
            gradient[vocabularySize..].ShouldBeTheGradient(expected.Gradient, 0.5);
        }
    }

    [Fact]
    public void The_largest_finite_logits_have_a_softmax()
    {
        float[] gradient = new float[4];

        double total = PtxLoss.ComputeWithGradient(
            0, [float.MaxValue, float.MaxValue, float.MinValue, 0f], [0], 4, 1, gradient).Total;

        total.ShouldBeTheLoss(0, "log 2 is far below an ulp of the logits, even in double");
        gradient.Should().NotContain(x => float.IsNaN(x));
    }

    [Fact]
    public void A_masked_logit_gets_gradient_0_whatever_the_scale()
    {
        foreach (int vocabularySize in new[] { 3, 2000 })
        {
            float[] logits = [.. Enumerable.Repeat(0f, vocabularySize)];
            logits[1] = float.NegativeInfinity;
            float[] gradient = new float[vocabularySize];

            PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, ptxCoefficient: 1e39, gradient);

            gradient[1].Should().Be(0);
        }
    }

    [Fact]
    public void Zero_tokens_give_the_rl_loss()
    {
        PtxLossResult result = PtxLoss.ComputeWithGradient(
            -0.25, Array.Empty<float>(), Array.Empty<int>(), 5, 3, logitsGradient: Span<float>.Empty);

        result.Total.Should().Be(-0.25);
        result.LanguageModelLoss.Should().Be(0);
        result.TokenCount.Should().Be(0);
        result.Perplexity.Should().Be(1);
    }

    [Theory]
    [InlineData(LossReduction.Mean, null)]
    [InlineData(LossReduction.Sum, null)]
    [InlineData(LossReduction.Mean, 7.0)]
    public void Only_ignored_tokens_give_the_rl_loss_and_a_gradient_of_0(LossReduction reduction, double? denominator)
    {
        float[] logits = [float.NaN, 1, Inf, -Inf];
        float[] gradient = [9, 9, 9, 9];
        var options = new PtxLossOptions { Reduction = reduction, Denominator = denominator };

        PtxLossResult result = PtxLoss.ComputeWithGradient(double.NegativeZero, logits, [-100, -100], 2, 1, gradient, options);

        result.Total.ShouldBeIdentical(double.NegativeZero);
        result.LanguageModelLoss.Should().Be(0);
        result.TokenCount.Should().Be(0);
        gradient.Should().OnlyContain(x => x == 0);
    }
}
