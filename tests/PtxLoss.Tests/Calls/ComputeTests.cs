namespace PtxLosses.Tests;

/// <summary>Loss and gradient against the double-precision reference.</summary>
public class ComputeTests
{
    private const double RlLoss = 0.75, Coefficient = 0.1;

    [Fact]
    public void Every_row_length_to_257()
    {
        for (int vocabularySize = 1; vocabularySize <= 257; vocabularySize++)
        {
            foreach (double offset in new[] { 0, 10_000.0, -10_000 })
            {
                float[] logits = TestData.Logits(3 * vocabularySize, seed: vocabularySize, offset: offset);
                int[] targets = [0, vocabularySize - 1, vocabularySize / 2];
                CompareWithReference(logits, targets, vocabularySize);
            }
        }
    }

    [Theory]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(2047)]
    [InlineData(32_000)]
    [InlineData(50_257)]
    [InlineData(128_256)]
    [InlineData(151_936)]
    [InlineData(262_144)]
    public void Real_vocabularies(int vocabularySize)
    {
        foreach ((double spread, double offset) in new[] { (3, 0), (0, 5), (0.01, 0), (30.0, 0), (2, 10_000), (2, -10_000) })
        {
            float[] logits = TestData.Logits(2 * vocabularySize, seed: vocabularySize, spread, offset);
            CompareWithReference(logits, [0, vocabularySize - 1], vocabularySize);
        }
    }

    [Fact]
    public void The_maximum_may_stand_anywhere()
    {
        const int vocabularySize = 5000;
        for (int position = 0; position < vocabularySize; position += 97)
        {
            float[] logits = TestData.Logits(vocabularySize, seed: position);
            logits[position] = 95;
            CompareWithReference(logits, [(position + 1) % vocabularySize], vocabularySize);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void Rising_and_falling_rows(int direction)
    {
        // A row that rises raises the maximum in every block.
        float[] logits = [.. Enumerable.Range(0, 20_000).Select(i => direction * i * 0.01f)];
        CompareWithReference(logits, [12_345], logits.Length);
    }

    [Fact]
    public void Double_logits()
    {
        foreach (int vocabularySize in new[] { 1, 2, 31, 1024, 50_257 })
        {
            double[] logits = TestData.ToDouble(TestData.Logits(3 * vocabularySize, seed: 5, offset: 123));
            logits[0] += 1e-9;
            int[] targets = TestData.Targets(3, vocabularySize, seed: 6);
            double[] gradient = new double[logits.Length];

            PtxLossResult result = PtxLoss.ComputeWithGradient(RlLoss, logits, targets, vocabularySize, Coefficient, gradient);

            ScalarReference expected = ScalarReference.Compute<double, int>(RlLoss, logits, targets, vocabularySize, Coefficient);
            result.Total.Should().BeApproximately(expected.Total, 1e-12);
            gradient.ShouldBeTheGradient(expected.Gradient);
        }
    }

    [Fact]
    public void The_parts_of_the_result_fit_together()
    {
        float[] logits = TestData.Logits(4 * 10, seed: 1);
        int[] targets = [1, -100, 3, 4];

        PtxLossResult result = PtxLoss.Compute(RlLoss, logits, targets, vocabularySize: 10, Coefficient);

        result.RlLoss.Should().Be(RlLoss);
        result.PtxCoefficient.Should().Be(Coefficient);
        result.TokenCount.Should().Be(3);
        result.PtxTerm.Should().Be(Coefficient * result.LanguageModelLoss);
        result.Total.Should().Be(RlLoss + result.PtxTerm);
        result.Perplexity.Should().BeApproximately(Math.Exp(result.LanguageModelLoss), 1e-9);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-3.5)]
    public void The_rl_loss_is_passed_through(double rlLoss)
    {
        PtxLossResult result = PtxLoss.Compute(rlLoss, [1f, 2f], [0], 2, ptxCoefficient: 0);

        result.RlLoss.Should().Be(rlLoss);
        result.Total.Should().Be(rlLoss);
    }

    /// <summary>Compares loss, gradient to another buffer and gradient in place.</summary>
    private static void CompareWithReference(float[] logits, int[] targets, int vocabularySize)
    {
        ScalarReference expected = ScalarReference.Compute<float, int>(RlLoss, logits, targets, vocabularySize, Coefficient);
        float[] gradient = new float[logits.Length];
        float[] inPlace = [.. logits];

        PtxLossResult result = PtxLoss.Compute(RlLoss, logits, targets, vocabularySize, Coefficient);
        PtxLossResult withGradient = PtxLoss.ComputeWithGradient(RlLoss, logits, targets, vocabularySize, Coefficient, gradient);
        PtxLossResult withGradientInPlace = PtxLoss.ComputeWithGradient(
            RlLoss, inPlace, targets, vocabularySize, Coefficient, inPlace);

        result.LanguageModelLoss.ShouldBeTheLoss(expected.LanguageModelLoss, $"at vocabulary {vocabularySize}");
        result.Total.ShouldBeTheLoss(expected.Total);
        withGradient.Should().Be(result);
        withGradientInPlace.Should().Be(result);
        gradient.ShouldBeTheGradient(expected.Gradient, Coefficient / targets.Length);
        inPlace.ShouldBeIdentical(gradient);
    }
}
