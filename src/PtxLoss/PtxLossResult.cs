using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>A PPO-ptx loss and its parts. All losses are in nats, and none is a scaled value under a raw name.</summary>
public readonly record struct PtxLossResult
{
    internal PtxLossResult(
        double rlLoss, double ptxCoefficient, LossTotals totals, Normalizer normalizer, double zLossCoefficient)
    {
        RlLoss = rlLoss;
        PtxCoefficient = ptxCoefficient;
        Totals = totals;
        Normalizer = normalizer;
        ZLossCoefficient = zLossCoefficient;
    }

    /// <summary>The RL loss, as it was passed in.</summary>
    public double RlLoss { get; }

    /// <summary>γ, as it was passed in.</summary>
    public double PtxCoefficient { get; }

    /// <summary>
    /// The cross-entropy of the text in nats, not multiplied by γ: its mean over the tokens that count, by their weights, or its
    /// sum, as <see cref="PtxLossOptions.Reduction"/> says; with a <see cref="PtxLossOptions.Denominator"/>, this call's part of
    /// the mean. Label smoothing is included, the z-loss is not. 0 when no token counts.
    /// </summary>
    public double LanguageModelLoss => Totals.Sums.CrossEntropy / Normalizer.DivisorFor(Totals.Weight);

    /// <summary>
    /// The square of the log-sum-exp, in nats², not multiplied by <see cref="PtxLossOptions.ZLossCoefficient"/>: its mean, by
    /// weights, or sum over the tokens, as in <see cref="LanguageModelLoss"/>; with a <see cref="PtxLossOptions.Denominator"/>,
    /// this call's part of the mean. 0 when that coefficient is 0 or no token counts.
    /// </summary>
    public double ZLoss => Totals.Sums.ZLoss / Normalizer.DivisorFor(Totals.Weight);

    /// <summary>
    /// γ · (<see cref="LanguageModelLoss"/> + β · <see cref="ZLoss"/>) with β the <see cref="PtxLossOptions.ZLossCoefficient"/>:
    /// what pretraining text adds to the RL loss.
    /// </summary>
    public double PtxTerm => PtxCoefficient * (LanguageModelLoss + (ZLossCoefficient * ZLoss));

    /// <summary><see cref="RlLoss"/> + <see cref="PtxTerm"/>; exactly <see cref="RlLoss"/> when no token counts.</summary>
    public double Total => PtxTerm == 0 ? RlLoss : RlLoss + PtxTerm; // −0 + 0 would be 0

    /// <summary>How many tokens counted, that is, were not ignored; those of weight 0 are included.</summary>
    public long TokenCount => Totals.TokenCount;

    /// <summary>
    /// e to the mean cross-entropy of the tokens that this call counted, by their weights, whatever the reduction, the
    /// denominator and the <see cref="PtxLossOptions.TargetWeighting"/>; 1 when no token counts. NaN where a
    /// <see cref="PtxLossAccumulator"/> was given sums of a target weighting, which do not tell.
    /// </summary>
    public double Perplexity => Math.Exp(Totals.Sums.Surprisal / default(Normalizer).DivisorFor(Totals.Weight));

    /// <summary>
    /// The share of the tokens that count, by their weights, whose largest logit is that of the target, the lowest id on a tie;
    /// 0 when no token counts. <see langword="null"/> unless <see cref="PtxLossOptions.Statistics"/> asks for it.
    /// </summary>
    public double? Accuracy => MeanOf(LossStatistics.Accuracy, Totals.Sums.Correct);

    /// <summary>
    /// The mean entropy in nats of the softmax of the tokens that count, by their weights; 0 when no token counts.
    /// <see langword="null"/> unless <see cref="PtxLossOptions.Statistics"/> asks for it.
    /// </summary>
    public double? Entropy => MeanOf(LossStatistics.Entropy, Totals.Sums.Entropy);

    /// <summary>What all of the above follows from.</summary>
    internal LossTotals Totals { get; }

    internal Normalizer Normalizer { get; }

    /// <summary>β.</summary>
    internal double ZLossCoefficient { get; }

    private double? MeanOf(LossStatistics statistic, double sum)
        => (Totals.Statistics & statistic) != LossStatistics.None ? sum / default(Normalizer).DivisorFor(Totals.Weight) : null;
}
