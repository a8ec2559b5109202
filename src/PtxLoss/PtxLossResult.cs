using PtxLosses.Internals;

namespace PtxLosses;

/// <summary>A PPO-ptx loss and its parts. All losses are in nats, and none is a scaled value under a raw name.</summary>
public readonly record struct PtxLossResult
{
    private readonly double _meanCrossEntropy;

    internal PtxLossResult(double rlLoss, double ptxCoefficient, LossTotals totals, PtxLossOptions options)
    {
        RlLoss = rlLoss;
        PtxCoefficient = ptxCoefficient;
        TokenCount = totals.TokenCount;
        LanguageModelLoss = totals.CrossEntropy / LossTotals.Divisor(totals.TokenCount, options);
        _meanCrossEntropy = totals.CrossEntropy / Math.Max(totals.TokenCount, 1);
    }

    /// <summary>The RL loss, as it was passed in.</summary>
    public double RlLoss { get; }

    /// <summary>γ, as it was passed in.</summary>
    public double PtxCoefficient { get; }

    /// <summary>
    /// The cross-entropy of the text in nats, not multiplied by γ: its mean over the tokens that count, or its sum, as
    /// <see cref="PtxLossOptions.Reduction"/> says. 0 when no token counts.
    /// </summary>
    public double LanguageModelLoss { get; }

    /// <summary>γ · <see cref="LanguageModelLoss"/>: what pretraining text adds to the RL loss.</summary>
    public double PtxTerm => PtxCoefficient * LanguageModelLoss;

    /// <summary><see cref="RlLoss"/> + <see cref="PtxTerm"/>; exactly <see cref="RlLoss"/> when no token counts.</summary>
    public double Total => TokenCount == 0 ? RlLoss : RlLoss + PtxTerm;

    /// <summary>How many tokens counted, that is, were not ignored.</summary>
    public long TokenCount { get; }

    /// <summary>
    /// e to the mean cross-entropy of the tokens that this call counted, whatever the reduction and the denominator; 1 when no
    /// token counts.
    /// </summary>
    public double Perplexity => Math.Exp(_meanCrossEntropy);
}
