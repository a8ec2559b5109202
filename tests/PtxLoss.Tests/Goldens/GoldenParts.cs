namespace PtxLosses.Tests;

/// <summary>A loss and its parts, whoever found them.</summary>
internal sealed record GoldenParts(
    long TokenCount, double LanguageModelLoss, double ZLoss, double Total, double Perplexity, double? Accuracy, double? Entropy)
{
    public static GoldenParts Of(PtxLossResult result) => new(
        result.TokenCount,
        result.LanguageModelLoss,
        result.ZLoss,
        result.Total,
        result.Perplexity,
        result.Accuracy,
        result.Entropy);

    /// <summary>The reference finds all that can be asked for.</summary>
    public static GoldenParts Of(ScalarReference reference, PtxLossOptions options) => new(
        reference.TokenCount,
        reference.LanguageModelLoss,
        reference.ZLoss,
        reference.Total,
        reference.Perplexity,
        options.Statistics.HasFlag(LossStatistics.Accuracy) ? reference.Accuracy : null,
        options.Statistics.HasFlag(LossStatistics.Entropy) ? reference.MeanEntropy : null);

    /// <summary>
    /// Compares with the golden. Sums over tokens are off by what each token is off, times what it counts; what it counts may be
    /// made of the probability of its target, which is off by what the loss of this target is off, relative to itself.
    /// </summary>
    /// <param name="golden">What is right.</param>
    /// <param name="ofLoss">How far off the loss of a token may be.</param>
    /// <param name="ofLogSumExp">Its log-sum-exp.</param>
    /// <param name="ofEntropy">Its entropy.</param>
    /// <param name="ofHardLoss">
    /// The loss of its target alone; asked only where tokens count by the probability of their target.
    /// </param>
    public void Check(
        Golden golden,
        Func<int, double> ofLoss,
        Func<int, double> ofLogSumExp,
        Func<int, double> ofEntropy,
        Func<int, double> ofHardLoss)
    {
        double languageModelLoss = 0, zLoss = 0;
        foreach (int token in Enumerable.Range(0, golden.Tokens).Where(token => double.IsFinite(golden.TokenLoss[token])))
        {
            double part = Math.Abs(golden.PartOf(token)), slope = golden.FactorSlopeOf(token);
            double logSumExp = Math.Abs(golden.LogSumExp[token]);
            double ofPart = slope == 0 || part == 0 ? 0 : part * slope * ofHardLoss(token);
            languageModelLoss += (part * ofLoss(token)) + (ofPart * Math.Abs(golden.TokenLoss[token]));
            zLoss += (part * ofLogSumExp(token) * ((2 * logSumExp) + ofLogSumExp(token))) + (ofPart * logSumExp * logSumExp);
        }

        TokenCount.Should().Be(golden.TokenCount);
        Closeness.ShouldBeClose([LanguageModelLoss], [golden.LanguageModelLoss], _ => languageModelLoss);
        Closeness.ShouldBeClose([ZLoss], [golden.ZLoss], _ => zLoss);
        double ofText = languageModelLoss + (golden.Options.ZLossCoefficient * zLoss);
        Closeness.ShouldBeClose(
            [Total], [golden.Total], _ => (Math.Abs(golden.PtxCoefficient) * ofText) + Rounding(golden.Total));
        CheckMeans(golden, Largest(ofLoss), Largest(ofEntropy));

        double Largest(Func<int, double> ofToken)
            => Enumerable.Range(0, golden.Tokens).Select(ofToken).Where(double.IsFinite).DefaultIfEmpty().Max();
    }

    /// <summary>A few roundings of a number of this size to double.</summary>
    public static double Rounding(double size) => 4 * Math.Pow(2, -53) * Math.Abs(size);

    /// <summary>Means are off by no more than the token that is off most.</summary>
    private void CheckMeans(Golden golden, double ofLoss, double ofEntropy)
    {
        if (golden.Perplexity is { } perplexity)
        {
            double exponent = ofLoss + Rounding(1 + Math.Abs(Math.Log(perplexity)));
            Closeness.ShouldBeClose([Perplexity], [perplexity], _ => perplexity * (Math.Exp(exponent) - 1));
        }

        Accuracy.HasValue.Should().Be(golden.Accuracy.HasValue);
        Closeness.ShouldBeClose([Accuracy ?? 0], [golden.Accuracy ?? 0], _ => Rounding(1));
        Entropy.HasValue.Should().Be(golden.MeanEntropy.HasValue);
        Closeness.ShouldBeClose([Entropy ?? 0], [golden.MeanEntropy ?? 0], _ => ofEntropy);
    }
}
