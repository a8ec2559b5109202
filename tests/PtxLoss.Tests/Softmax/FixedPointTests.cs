namespace PtxLosses.Tests;

/// <summary>The sum of the logits, which label smoothing needs, where adding in fixed point is at its limits.</summary>
public class FixedPointTests
{
    private const int VocabularySize = 4096 + 37;

    /// <summary>Half a unit beyond a whole one: rounded alike, all are off by it.</summary>
    private const float HalfUnit = 0.5f / FixedPoint.UnitsPerOne;

    [Theory]
    [InlineData(2.5f + HalfUnit)] // rounded to even: down
    [InlineData(2.5f + (3 * HalfUnit))] // up
    [InlineData(-3.25f - HalfUnit)]
    [InlineData(126.9f)] // sixteen of them are just within 32 bits
    [InlineData(-126.9f)]
    [InlineData(FixedPoint.Limit)]
    [InlineData(-FixedPoint.Limit)]
    [InlineData(127.5f)]
    [InlineData(-127.5f)]
    [InlineData(129)]
    [InlineData(-1000)]
    public void Equal_logits(float logit)
        => Check([.. Enumerable.Repeat(logit, VocabularySize)], logitScale: 1);

    [Theory]
    [InlineData(-126.9f)]
    [InlineData(-127.5f)]
    [InlineData(-1e4f)]
    public void A_low_logit_among_others(float low)
    {
        var logits = new float[VocabularySize];
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = i % 100 == 7 ? low : 1.1f;
        }

        Check(logits, logitScale: 1);
    }

    [Theory]
    [InlineData(100, 0.01)] // so small a scale that a logit may exceed the reference by 100
    [InlineData(126, 0.7)]
    [InlineData(3, 30)]
    public void Rising_logits(float last, double scale)
        => Check([.. Enumerable.Range(0, VocabularySize).Select(i => -90 + ((last + 90) * i / VocabularySize))], scale);

    private static void Check(float[] logits, double logitScale)
    {
        int[] targets = [1];
        var options = new PtxLossOptions { LabelSmoothing = 0.99, LogitScale = logitScale };
        float[] gradient = [.. logits];

        double loss = PtxLoss.Compute(0, logits, targets, VocabularySize, 1, options).LanguageModelLoss;
        PtxLossResult withGradient = PtxLoss.ComputeWithGradient(0, gradient, targets, VocabularySize, 1, gradient, options);

        double expected = ScalarReference.Compute<float, int>(0, logits, targets, VocabularySize, 1, options).LanguageModelLoss;
        double largest = Math.Max(100, logits.Max(logit => Math.Abs((double)logit * logitScale)));
        loss.Should().BeApproximately(expected, 1e-8 * largest);
        withGradient.LanguageModelLoss.Should().Be(loss, "exponentials that are stored are added in the same order");
    }
}
