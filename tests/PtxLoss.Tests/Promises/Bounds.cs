namespace PtxLosses.Tests;

/// <summary>How far results may be off from the reference, whatever the options.</summary>
/// <param name="Rounding">A gradient by its rounding, relative to itself.</param>
/// <param name="Smallest">A gradient at least.</param>
/// <param name="Sum">A log-sum-exp.</param>
/// <param name="Softmax">A probability, relative to itself.</param>
/// <param name="Entropy">An entropy.</param>
/// <param name="Largest">The largest finite number of the type: a gradient beyond is infinite.</param>
internal sealed record Bounds(
    double Rounding, double Smallest, double Sum = 1e-6, double Softmax = 3e-5, double Entropy = 1e-5, double Largest = float.MaxValue)
{
    public static Bounds Of<TLogit>()
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(double))
        {
            return new(Math.Pow(2, -53), 2.3e-308, Sum: 1e-11, Softmax: 1e-11, Entropy: 1e-9, Largest: double.MaxValue);
        }

        return typeof(TLogit) == typeof(float) ? new(Math.Pow(2, -24), 1.2e-38)
            : typeof(TLogit) == typeof(Half) ? new(Math.Pow(2, -11), Math.Pow(2, -25), Largest: (double)Half.MaxValue)
            : new(Math.Pow(2, -8), 1.2e-38, Largest: (double)BFloat16.MaxValue);
    }

    /// <summary>
    /// How far a log-sum-exp or a loss may be off: by that of the sum, whatever its size, and by its own rounding; but the mean of
    /// capped logits that smoothing takes has the digits of a float.
    /// </summary>
    public double OfSum(double size, PtxLossOptions options)
        => Sum + (options.LogitSoftCap == 0 ? 0 : 7 * Sum * options.LabelSmoothing * Math.Max(1, size / 100))
            + ((options.LabelSmoothing == 0 ? options.LogitSoftCap == 0 ? 1e-15 : 4e-15 : 1e-12) * size); // the reference adds one by one

    /// <summary>Checks a loss and its parts; all of its tokens may be off the same way, by the bound of a log-sum-exp.</summary>
    public void CheckLosses(PtxLossResult actual, ScalarReference expected, double coefficient, PtxLossOptions options)
    {
        actual.TokenCount.Should().Be(expected.TokenCount);
        double largest = expected.LogSumExp.Concat(expected.Loss).Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        double counted = coefficient == 0 ? 0 : Math.Abs(expected.GradientScale / coefficient) * 3 * expected.LogSumExp.Length;
        double ofLoss = counted * OfSum(largest, options);
        double ofZLoss = ofLoss * 2 * (1 + largest);
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
            i => (i == 0 ? ofLoss : i == 1 ? ofZLoss : Math.Abs(coefficient) * (ofLoss + (options.ZLossCoefficient * ofZLoss))) + 1e-13);
    }

    /// <summary>How much further off an element may be whose row's entropy is differentiated too: by that of its probability.</summary>
    public double OfEntropyGradient(ScalarReference expected, int element, double by, int token)
    {
        double p = expected.LogSumExpGradient[element], gradient = Math.Abs(expected.EntropyGradient[element]);
        double ofLogSumExp = Math.Exp(4e-16 * Math.Abs(expected.LogSumExp[token])) - 1;
        double ofSoftmax = (Softmax * p) + (p == 0 ? 0 : Math.Min(1, p * ofLogSumExp));
        return by == 0 || double.IsNaN(p)
            ? 0
            : Math.Abs(by) * ((ofSoftmax * (2 + Math.Abs(expected.Entropy[token])) * (1 + (2 * Rounding)))
                + ((Softmax + Math.Min(1, ofLogSumExp)) * gradient)
                + ((p + ofSoftmax) * 4e-16 * Math.Abs(expected.LogSumExp[token]))
                + 1e-13
                + (20 * Smallest));
    }

    /// <summary>Checks a gradient; an element that is infinite is right where the exact one is beyond the range of the type.</summary>
    public void CheckGradient(double[] actual, double[] expected, Func<int, double> tolerance)
    {
        Closeness.ShouldBeClose(
            [.. actual.Select((x, i) => double.IsInfinity(x) && MayBeBeyond(Math.Sign(x), i) ? expected[i] : x)],
            expected,
            tolerance);

        bool MayBeBeyond(int sign, int i) => (sign * expected[i]) + tolerance(i) >= Largest;
    }

    /// <summary>How far an element of a gradient may be off.</summary>
    /// <param name="logit">The logit, as it was passed.</param>
    /// <param name="isTarget">Whether it is its token's target.</param>
    /// <param name="logSumExp">The log-sum-exp of its row.</param>
    /// <param name="scale">What the loss of its token counts.</param>
    /// <param name="size">How large the element is, and what it is added to.</param>
    /// <param name="vocabularySize">How many share a smoothed target.</param>
    /// <param name="options">The options.</param>
    /// <param name="isOfLogSumExp">Whether it is made of a log-sum-exp that was rounded to a double.</param>
    public double OfGradient(
        double logit, bool isTarget, double logSumExp, double scale, double size, int vocabularySize, PtxLossOptions options, bool isOfLogSumExp = false)
    {
        double cap = options.LogitSoftCap;
        double capped = options.LogitScale * (cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap));
        if (isOfLogSumExp && cap != 0 && Math.Abs(logSumExp) > 1e15)
        {
            return double.PositiveInfinity; // capped logits and their log-sum-exp are off by more than 1: any number may come of it
        }

        double slope = options.LogitScale * Math.Abs(scale) * (1 + (2 * options.ZLossCoefficient * (1 + Math.Abs(logSumExp))));
        double softmax = Math.Exp(capped - logSumExp), ofLogSumExp = Math.Exp(4e-16 * Math.Abs(logSumExp)) - 1;
        double ofCap = cap == 0 ? 0 : 4e-15 * Math.Abs(capped); // a few ulps of a tanh
        double ofSoftmax = isTarget ? Sum + ofCap : (Softmax + ofCap) * (softmax + (options.LabelSmoothing / vocabularySize));
        ofSoftmax += !isOfLogSumExp || softmax == 0 ? 0 : Math.Min(1, softmax * ofLogSumExp) * (1 + (2 * Rounding));
        return (2 * Rounding * size) + (slope * (ofSoftmax + 1e-13)) + ((1 + slope) * Smallest);
    }
}
