namespace PtxLosses.Tests;

/// <summary>Logits and gradients of 16 bits, through the public members.</summary>
public class ElementTypeTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(700)]
    [InlineData(40_000)]
    public void The_loss_is_that_of_the_widened_logits(int vocabularySize)
    {
        Check<Half>(vocabularySize);
        Check<BFloat16>(vocabularySize);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(1000)]
    public void The_gradient_of_a_sure_target_is_right_to_one_rounding(int vocabularySize)
    {
        // p = 0.999: a softmax of 16 bits, 0.9990 or 0.9995 or 1, minus 1 would have no digit right.
        CheckSureTarget<float>(vocabularySize, fractionBits: 23);
        CheckSureTarget<Half>(vocabularySize, fractionBits: 10);
        CheckSureTarget<BFloat16>(vocabularySize, fractionBits: 7);
    }

    [Fact]
    public void A_type_that_is_none_is_named()
    {
        Action call = () => PtxLoss.Compute(0, new decimal[2], [0], 2, 1);

        call.Should().Throw<ArgumentException>().WithMessage(
            "logits of type System.Decimal are not supported*").WithParameterName("logits");
    }

    private static void Check<TLogit>(int vocabularySize)
        where TLogit : unmanaged
    {
        const int tokens = 5;
        TLogit[] logits = [.. TestData.Logits(tokens * vocabularySize, seed: 1).Select(
            x => ElementConvert.FromDouble<TLogit>(x))];
        int[] targets = TestData.Targets(tokens, vocabularySize, seed: 2);
        var gradient = new TLogit[logits.Length];
        double[] widened = [.. logits.Select(ElementConvert.ToDouble)];
        ScalarReference expected = ScalarReference.Compute<double, int>(0.5, widened, targets, vocabularySize, 2);

        PtxLossResult result = PtxLoss.ComputeWithGradient(0.5, logits, targets, vocabularySize, 2, gradient);

        result.LanguageModelLoss.ShouldBeTheLoss(expected.LanguageModelLoss);
        result.Should().Be(PtxLoss.Compute(0.5, logits, targets, vocabularySize, 2));
        result.Should().Be(PtxLoss.ComputeWithGradient(0.5, logits, targets, vocabularySize, 2, logits));
        logits.Select(ElementConvert.ToDouble).Should().Equal(
            gradient.Select(ElementConvert.ToDouble), "in place, it is the same");
        double unit = typeof(TLogit) == typeof(Half) ? Math.Pow(2, -11) : Math.Pow(2, -8);
        Closeness.ShouldBeClose(
            [.. gradient.Select(ElementConvert.ToDouble)],
            expected.Gradient,
            i => (1.01 * unit * Math.Abs(expected.Gradient[i])) + 3e-8);
    }

    private static void CheckSureTarget<TLogit>(int vocabularySize, int fractionBits)
        where TLogit : unmanaged
    {
        double lead = Math.Log(999.0 * (vocabularySize - 1));
        TLogit zero = ElementConvert.FromDouble<TLogit>(0);
        TLogit[] logits = [ElementConvert.FromDouble<TLogit>(lead), .. Enumerable.Repeat(zero, vocabularySize - 1)];
        var gradient = new TLogit[vocabularySize];
        double others = (vocabularySize - 1) * Math.Exp(-ElementConvert.ToDouble(logits[0]));
        double expected = -others / (1 + others);

        PtxLoss.ComputeWithGradient(0, logits, [0], vocabularySize, 1, gradient);

        expected.Should().BeInRange(-0.0015, -0.0006);
        double unit = Math.Pow(2, Math.Floor(Math.Log2(-expected)) - fractionBits);
        double bound = Math.Max(0.51 * unit, 6e-7); // the exponentials of a long row are floats
        ElementConvert.ToDouble(gradient[0]).Should().BeApproximately(expected, bound);
    }
}
