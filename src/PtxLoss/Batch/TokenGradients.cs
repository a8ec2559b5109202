using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>
/// What a token's logits are differentiated by: ∂L/∂ of its loss, its log-sum-exp and its entropy. Whatever is asked for, the
/// gradient of a logit z_i is <c>p_i · (A − B·(z_i − lse)) − U − Σ_j [i is id_j]·C_j</c>; a new option is a new value of these
/// constants: <see cref="A"/>, B = gH, <see cref="U"/>, and C_j = gL·q_j·(1 − ε), which is in <see cref="OfTarget"/>.
/// </summary>
/// <param name="Loss">gL.</param>
/// <param name="LogSumExp">gS.</param>
/// <param name="Entropy">gH.</param>
internal readonly record struct TokenGradients(double Loss, double LogSumExp, double Entropy)
{
    /// <summary>Of G · (loss + β·lse²).</summary>
    public static TokenGradients OfLoss(double g, double zLossCoefficient, double logSumExp)
        => new(g, zLossCoefficient == 0 ? 0 : g * (2 * zLossCoefficient * logSumExp), 0);

    public bool AreZero => Loss == 0 && LogSumExp == 0 && Entropy == 0;

    /// <summary>A, in a row whose targets' probabilities add up to Q and whose entropy is H.</summary>
    public double A(double targetSum, double entropy)
    {
        double ofLogSumExp = (Loss * targetSum) + LogSumExp;
        return Entropy == 0 ? ofLogSumExp : ofLogSumExp - (Entropy * entropy);
    }

    /// <summary>U of each logit that is not −inf, if smoothing gives each of them a part of ε/n.</summary>
    public double U(double smoothedPart) => Loss * smoothedPart;

    /// <summary>
    /// The gradient of a target's logit. Its part of the loss is gL·(Q·p − (1 − ε)·q − ε/n), with the difference taken before
    /// anything else: where the model is sure, a rounded p has nothing left of it.
    /// </summary>
    /// <param name="p">Its softmax.</param>
    /// <param name="shift">z_y − lse.</param>
    /// <param name="entropy">H of the row.</param>
    /// <param name="targetSum">Q.</param>
    /// <param name="share">(1 − ε)·q.</param>
    /// <param name="smoothedPart">ε/n, or 0 where the target is −inf.</param>
    public double OfTarget(double p, double shift, double entropy, double targetSum, double share, double smoothedPart)
    {
        double gradient = Loss * ((targetSum * p) - (share + smoothedPart));
        gradient += LogSumExp == 0 ? 0 : LogSumExp * p;
        return gradient - (Entropy == 0 || p == 0 ? 0 : Entropy * p * (entropy + shift));
    }
}

/// <summary>The mathematics of a token's loss.</summary>
internal static class TokenLoss
{
    /// <summary>Σ_j (1 − ε)·q_j·(lse − z_j) + ε·(lse − mean z).</summary>
    public static double Of(
        double labelSmoothing,
        double logSumExp,
        ReadOnlySpan<RowTarget> targets,
        in LogSumExpState state,
        LogitTransform transform)
    {
        double loss = 0;
        foreach (ref readonly RowTarget target in targets)
        {
            loss += target.Share * (logSumExp - transform.Of(target.Logit));
        }

        return labelSmoothing == 0 ? loss : loss + (labelSmoothing * (logSumExp - state.Mean));
    }

    /// <summary>s, from the softmax of the target.</summary>
    public static double Weighting(TokenWeighting weighting, double p) => weighting switch
    {
        TokenWeighting.Probability => p,
        TokenWeighting.ProbabilityVariance => p * Math.Max(0, 1 - p), // p is rounded, perhaps to more than 1
        _ => 1,
    };
}
