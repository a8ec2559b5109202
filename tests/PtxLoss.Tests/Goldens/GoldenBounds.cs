namespace PtxLosses.Tests;

/// <summary>How far from the golden a result from logits may be.</summary>
/// <param name="Loss">The bound on a token's loss, given the loss.</param>
/// <param name="Gradient">The bound on a gradient, given its index.</param>
internal sealed record GoldenBounds(Func<double, double> Loss, Func<int, double> Gradient)
{
    public double LogSumExp(double logSumExp) => Loss(0) + GoldenParts.Rounding(logSumExp);

    public double Entropy(double entropy) => 2 * Loss(entropy);

    /// <summary>
    /// The contract's 1e-6 on a loss, absolute up to 100 and relative beyond. A probability is off by the rounding of
    /// x − lse (2⁻²⁴ of at most 104, beyond which it is 0) and of its exponential, less than 1e-5 of itself.
    /// </summary>
    public static GoldenBounds OfFloat(GoldenCase golden)
    {
        Func<double, double> ofLoss = loss => 1e-6 * Math.Max(1, Math.Abs(loss) / 100);
        return new(
            ofLoss,
            OfGradient(golden, probability: 1e-5, smallestNormal: 1.2e-38, loss: 1e-6, addition: Math.Pow(2, -22), ofLoss));
    }

    /// <summary>
    /// 1e-12, relative above 1, and the rounding of a log-sum-exp, which a loss lse − x inherits at the size of the logits
    /// however small it is itself; PyTorch, which subtracts the maximum first, does not have it. Beside a term of 1, each
    /// addition to a sum of exponentials, and each subtraction of a part of a soft target, is off by up to half an ulp of 1.
    /// </summary>
    public static GoldenBounds OfDouble(GoldenCase golden)
    {
        double rounding = GoldenParts.Rounding(golden.Magnitude);
        double sum = (golden.VocabularySize + golden.IdsPerToken) * Math.Pow(2, -53);
        Func<double, double> ofLoss = loss => (1e-12 * Math.Max(1, Math.Abs(loss))) + rounding;
        return new(
            ofLoss,
            OfGradient(
                golden, 1e-12 + rounding, smallestNormal: 2.3e-308, loss: sum + rounding, addition: Math.Pow(2, -51), ofLoss));
    }

    /// <summary>
    /// scale·p is off by what p is off, relative to itself, unless it is so small that p is subnormal; at the target,
    /// scale·(exp(−loss) − 1) is off by what the loss is off, relative to the scale. A gradient of the log-sum-exp, as of a
    /// z-loss, makes more of p, and so do soft targets that add up to more than 1; smoothing subtracts a share from it, which
    /// leaves their error in a smaller number, and a soft cap only lessens them all. A gradient of the entropy multiplies p with
    /// H + log p, each off by what p is off relative to itself. The scale of the logits is a factor of all. Where a token counts
    /// by the probability of its target, so is this, off by what the loss is off. What the gradient is added to costs a rounding
    /// of the sum.
    /// </summary>
    private static Func<int, double> OfGradient(
        GoldenCase golden, double probability, double smallestNormal, double loss, double addition, Func<double, double> ofLoss)
    {
        GoldenOutputGradients by = golden.ByOutput;
        double[] share = [.. golden.Logits.Chunk(golden.VocabularySize).Select(
            row => golden.Options.LabelSmoothing / Math.Max(1, row.Count(x => !float.IsNegativeInfinity(x))))];
        var targets = Enumerable.Range(0, golden.Tokens).Select(golden.TargetsOf).ToArray();
        double[] ofFactor = [.. Enumerable.Range(0, golden.Tokens).Select(
            token => golden.FactorSlopeOf(token) is var slope && slope == 0 ? 0 : slope * ofLoss(golden.HardLossOf(token)))];
        return i =>
        {
            (int token, int id) = Math.DivRem(i, golden.VocabularySize);
            double scale = Size(by.Loss), logSumExp = golden.LogSumExp[token];
            double all = targets[token].Sum(target => target.Probability) + (2 * golden.Options.ZLossCoefficient);
            double slope = (scale * all) + Size(by.LogSumExp);
            double initial = golden.InitialGradient.Length == 0 ? 0 : golden.InitialGradient[i];
            double own = Math.Abs(golden.Gradient[i] - initial);
            bool isTarget = targets[token].Any(target => target.Id == id);
            double logProbability = golden.LogitOf(token, id) - logSumExp;
            double ofEntropy = double.IsInfinity(logProbability)
                ? 0
                : Size(by.Entropy) * (1 + golden.Entropy[token] + Math.Abs(logProbability));
            double size = isTarget ? own / golden.Options.LogitScale : slope * Math.Exp(logProbability);
            double ofOutputs = (probability * (size + (scale * share[token]) + (ofEntropy * Math.Exp(logProbability))))
                + (isTarget ? slope * loss : 0)
                + ((slope + ofEntropy) * smallestNormal);
            return (golden.Options.LogitScale * ofOutputs)
                + (ofFactor[token] * own)
                + smallestNormal
                + (initial == 0 ? 0 : addition * Math.Abs(golden.Gradient[i]));

            double Size(double[] gradients) => Math.Abs(gradients.ElementAtOrDefault(token));
        };
    }
}
