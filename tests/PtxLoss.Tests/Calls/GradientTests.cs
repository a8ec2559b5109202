namespace PtxLosses.Tests;

/// <summary>The gradient against its own definition: what the loss does when a logit moves.</summary>
public class GradientTests
{
    [Theory]
    [InlineData(LossReduction.Mean)]
    [InlineData(LossReduction.Sum)]
    public void Central_differences_of_the_loss(LossReduction reduction)
    {
        const int tokens = 4, vocabularySize = 9;
        const double step = 1e-5, coefficient = 0.7;
        double[] logits = TestData.ToDouble(TestData.Logits(tokens * vocabularySize, seed: 21));
        int[] targets = [0, 8, -100, 4];
        var options = new PtxLossOptions { Reduction = reduction };
        double[] gradient = new double[logits.Length];
        PtxLoss.ComputeWithGradient(5, logits, targets, vocabularySize, coefficient, gradient, options);

        for (int i = 0; i < logits.Length; i++)
        {
            double[] up = [.. logits], down = [.. logits];
            up[i] += step;
            down[i] -= step;
            double difference = PtxLoss.Compute(5, up, targets, vocabularySize, coefficient, options).Total
                - PtxLoss.Compute(5, down, targets, vocabularySize, coefficient, options).Total;

            gradient[i].Should().BeApproximately(difference / (2 * step), 1e-9);
        }
    }

    [Theory]
    [InlineData(7f)] // p = 0.999
    [InlineData(12f)] // p = 0.999994
    [InlineData(30f)] // 1 − p = 1e-13
    public void A_sure_target_keeps_its_gradient_to_the_rounding_of_p(float lead)
    {
        float[] gradient = new float[2];
        double[] precise = new double[2];

        PtxLoss.ComputeWithGradient(0, [lead, 0f], [0], 2, 1, gradient);
        PtxLoss.ComputeWithGradient(0, [(double)lead, 0], [0], 2, 1, precise);

        double expected = -1 / (1 + Math.Exp(lead));
        ((double)gradient[0]).Should().BeApproximately(expected, 1.2e-7, "p is computed in float");
        precise[0].Should().BeApproximately(expected, 4e-15, "p is computed in double, from a log-sum-exp near 30");
    }

    [Theory]
    [InlineData(300)]
    [InlineData(5000)]
    public void A_sure_target_has_next_to_no_loss_and_gradient(int vocabularySize)
    {
        float[] logits = [0, .. Enumerable.Repeat(-20f, vocabularySize - 1)];
        float[] gradient = new float[vocabularySize];

        double loss = PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, 1, gradient).Total;

        double others = (vocabularySize - 1) * Math.Exp(-20);
        loss.Should().BeApproximately(others, 0.15 * others, "only terms that share a lane with the largest are rounded away");
        ((double)gradient[0]).Should().BeApproximately(-others, 0.15 * others);
    }

    [Fact]
    public void A_coefficient_of_0_gives_a_gradient_of_0()
    {
        float[] gradient = [1, 2, 3];

        PtxLoss.ComputeWithGradient(0, [1f, 2f, 3f], [0], 3, 0, gradient);

        gradient.Should().OnlyContain(x => x == 0);
    }

    [Fact]
    public void A_step_against_the_gradient_lowers_the_loss()
    {
        const int tokens = 16, vocabularySize = 300;
        float[] logits = TestData.Logits(tokens * vocabularySize, seed: 22);
        int[] targets = TestData.Targets(tokens, vocabularySize, seed: 23);
        float[] gradient = new float[logits.Length];
        double loss = double.PositiveInfinity;

        for (int step = 0; step < 50; step++)
        {
            double next = PtxLoss.ComputeWithGradient(0, logits, targets, vocabularySize, 1, gradient).Total;
            next.Should().BeLessThan(loss);
            loss = next;
            for (int i = 0; i < logits.Length; i++)
            {
                logits[i] -= 10 * gradient[i];
            }
        }

        loss.Should().BeLessThan(1e-1);
    }
}
