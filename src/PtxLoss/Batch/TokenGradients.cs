using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>
/// What a token's logits are differentiated by: ∂L/∂ of its loss, its log-sum-exp and its entropy. Whatever is asked for, the
/// gradient of a logit z_i is <c>p_i · (A − B·(z_i − lse)) − U − [i is the target]·C</c>; a new option is a new value of these
/// constants: <see cref="A"/>, B = gH, <see cref="U"/>, and C = gL·(1 − ε), which is in <see cref="OfTarget"/>.
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

    /// <summary>A, in a row of entropy H.</summary>
    public double A(double entropy) => Entropy == 0 ? Loss + LogSumExp : Loss + LogSumExp - (Entropy * entropy);

    /// <summary>U of each logit that is not −inf, if smoothing gives each of them a part of ε/n.</summary>
    public double U(double smoothedPart) => Loss * smoothedPart;

    /// <summary>
    /// The gradient of the target's logit. Its part of the loss is gL·(p − (1 − ε) − ε/n), with p − 1 taken before anything else:
    /// where the model is sure, a rounded p has nothing left of it.
    /// </summary>
    /// <param name="p">Its softmax.</param>
    /// <param name="shift">z_y − lse.</param>
    /// <param name="entropy">H of the row.</param>
    /// <param name="labelSmoothing">ε.</param>
    /// <param name="smoothedPart">ε/n, or 0 where the target is −inf.</param>
    public double OfTarget(double p, double shift, double entropy, double labelSmoothing, double smoothedPart)
    {
        double gradient = Loss * (p - (1 - labelSmoothing + smoothedPart));
        gradient += LogSumExp == 0 ? 0 : LogSumExp * p;
        return gradient - (Entropy == 0 || p == 0 ? 0 : Entropy * p * (entropy + shift));
    }
}

/// <summary>The mathematics of a token's loss.</summary>
internal static class TokenLoss
{
    /// <summary>(1 − ε)·(lse − z_y) + ε·(lse − mean z).</summary>
    public static double Of(double labelSmoothing, double logSumExp, double target, in LogSumExpState state)
        => labelSmoothing == 0
            ? logSumExp - target
            : ((1 - labelSmoothing) * (logSumExp - target)) + (labelSmoothing * (logSumExp - state.Mean));
}
