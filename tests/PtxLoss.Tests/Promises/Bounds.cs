namespace PtxLosses.Tests;

/// <summary>How far results may be off from the reference, whatever the options.</summary>
/// <param name="Rounding">A gradient by its rounding, relative to itself.</param>
/// <param name="Smallest">A gradient at least.</param>
/// <param name="Sum">A log-sum-exp.</param>
/// <param name="Softmax">A probability, relative to itself.</param>
/// <param name="Entropy">An entropy.</param>
internal sealed record Bounds(double Rounding, double Smallest, double Sum = 1e-6, double Softmax = 3e-5, double Entropy = 1e-5)
{
    public static Bounds Of<TLogit>()
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(double))
        {
            return new(Math.Pow(2, -53), 2.3e-308, Sum: 1e-11, Softmax: 1e-11, Entropy: 1e-9);
        }

        return typeof(TLogit) == typeof(float) ? new(Math.Pow(2, -24), 1.2e-38)
            : typeof(TLogit) == typeof(Half) ? new(Math.Pow(2, -11), Math.Pow(2, -25))
            : new(Math.Pow(2, -8), 1.2e-38);
    }

    /// <summary>Checks a loss and its parts; all of its tokens may be off the same way, by the bound of a log-sum-exp.</summary>
    public void CheckLosses(PtxLossResult actual, ScalarReference expected, double coefficient, PtxLossOptions options)
    {
        actual.TokenCount.Should().Be(expected.TokenCount);
        double largest = expected.LogSumExp.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double counted = coefficient == 0 ? 0 : Math.Abs(expected.GradientScale / coefficient) * 3 * expected.LogSumExp.Length;
        double ofLoss = counted * Sum * Math.Max(1, largest / 100);
        double ofZLoss = ofLoss * 2 * (1 + largest);
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
            i => (i == 0 ? ofLoss : i == 1 ? ofZLoss : Math.Abs(coefficient) * (ofLoss + (options.ZLossCoefficient * ofZLoss))) + 1e-13);
    }

    /// <summary>How far an element of a gradient may be off.</summary>
    /// <param name="logit">The logit, as it was passed.</param>
    /// <param name="isTarget">Whether it is its token's target.</param>
    /// <param name="logSumExp">The log-sum-exp of its row.</param>
    /// <param name="scale">What the loss of its token counts.</param>
    /// <param name="size">How large the element is, and what it is added to.</param>
    /// <param name="vocabularySize">How many share a smoothed target.</param>
    /// <param name="options">The options.</param>
    public double OfGradient(
        double logit, bool isTarget, double logSumExp, double scale, double size, int vocabularySize, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap;
        double capped = cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap);
        double slope = Math.Abs(scale) * (1 + (2 * options.ZLossCoefficient * (1 + Math.Abs(logSumExp))));
        double ofSoftmax = isTarget ? Sum : Softmax * (Math.Exp(capped - logSumExp) + (options.LabelSmoothing / vocabularySize));
        return (2 * Rounding * size) + (slope * (ofSoftmax + 1e-13)) + ((1 + slope) * Smallest);
    }
}
