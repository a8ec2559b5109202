using System.Numerics;

namespace PtxLosses.Tests;

/// <summary>
/// The definition, in plain scalar double precision: two passes, the largest logit subtracted, no vectors, no threads, nothing
/// shared with the code it judges. Tests and benchmarks compare with it; the library never calls it.
/// </summary>
internal sealed class ScalarReference : IReference
{
    private ScalarReference(int tokens, int logits)
    {
        Loss = new double[tokens];
        LogSumExp = new double[tokens];
        TargetLogit = new double[tokens];
        Entropy = new double[tokens];
        ArgMax = new int[tokens];
        Gradient = new double[logits];
        LogSumExpGradient = new double[logits];
        EntropyGradient = new double[logits];
    }

    /// <summary>
    /// What <see cref="CrossEntropyOutputs"/> holds, per token; of soft targets, the first used place is the target.
    /// </summary>
    public double[] Loss { get; }
    public double[] LogSumExp { get; }
    public double[] TargetLogit { get; }
    public double[] Entropy { get; }
    public int[] ArgMax { get; }

    /// <summary>∂Total/∂logits; where gradients accumulate, what is added.</summary>
    public double[] Gradient { get; }

    /// <summary>∂logsumexp/∂logits and ∂entropy/∂logits, per token.</summary>
    public double[] LogSumExpGradient { get; }
    public double[] EntropyGradient { get; }

    /// <summary>∂Total/∂(the loss of a token that counts once).</summary>
    public double GradientScale { get; private set; }

    public double LanguageModelLoss { get; private set; }
    public double ZLoss { get; private set; }
    public double Total { get; private set; }
    public long TokenCount { get; private set; }
    public double Perplexity { get; private set; } = 1;

    /// <summary>What results report only when asked for; soft targets have no accuracy.</summary>
    public double Accuracy { get; private set; }
    public double MeanEntropy { get; private set; }

    /// <summary>
    /// Takes what <c>PtxLoss.Compute</c> takes and, where targets are shifted, the targets per sequence (0: all are one). Soft
    /// targets are ids in place of the targets, with their probabilities, so many for each token (0: targets are hard).
    /// </summary>
    public static ScalarReference Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default,
        int sequenceLength = 0,
        ReadOnlySpan<float> probabilities = default,
        int idsPerToken = 0)
        where TLogit : INumberBase<TLogit>
        where TTarget : INumberBase<TTarget>
    {
        options ??= PtxLossOptions.Default;
        int tokens = idsPerToken == 0 ? targets.Length : targets.Length / idsPerToken;
        var result = new ScalarReference(tokens, logits.Length);
        int length = sequenceLength == 0 ? tokens : sequenceLength;
        Sums sums = default;
        for (int token = 0; token < tokens; token++)
        {
            int predicted = options.ShiftTargets ? token + 1 : token;
            bool isAfterTheEnd = options.ShiftTargets && predicted % length == 0;
            Share[] shares = isAfterTheEnd ? [] : SharesOf(predicted, targets, probabilities, idsPerToken, options);
            if (shares.Length == 0)
            {
                result.ArgMax[token] = -1;
                continue;
            }

            double[] row = new double[vocabularySize];
            for (int i = 0; i < vocabularySize; i++)
            {
                row[i] = double.CreateChecked(logits[(token * vocabularySize) + i]);
            }

            double factor = result.VisitRow(token, row, shares, options);
            result.TokenCount++;
            result.Add(ref sums, token, shares[0].Id, tokenWeights.IsEmpty ? 1 : tokenWeights[predicted], factor);
        }

        result.Reduce(sums, rlLoss, ptxCoefficient, options);
        return result;
    }

    /// <summary>The ids that a token's loss is of, each with its probability; none where it is ignored.</summary>
    private static Share[] SharesOf<TTarget>(
        int token, ReadOnlySpan<TTarget> targets, ReadOnlySpan<float> probabilities, int idsPerToken, PtxLossOptions options)
        where TTarget : INumberBase<TTarget>
    {
        var shares = new List<Share>();
        int count = Math.Max(1, idsPerToken);
        for (int i = token * count; i < (token + 1) * count; i++)
        {
            long id = long.CreateChecked(targets[i]);
            if (id != options.IgnoreIndex)
            {
                shares.Add(new(checked((int)id), idsPerToken == 0 ? 1 : probabilities[i]));
            }
        }

        return [.. shares];
    }

    /// <summary>Adds a token's outputs to the sums, and multiplies its gradient with how often it counts.</summary>
    private void Add(ref Sums sums, int token, int target, double tokenWeight, double factor)
    {
        int vocabularySize = Gradient.Length / Loss.Length;
        Span<double> gradient = Gradient.AsSpan(token * vocabularySize, vocabularySize);
        double weight = tokenWeight == 0 ? 0 : tokenWeight * factor;
        if (tokenWeight != 0)
        {
            sums.Weight += tokenWeight;
            sums.UnfactoredLoss += tokenWeight * Loss[token];
            sums.Correct += ArgMax[token] == target ? tokenWeight : 0;
            sums.Entropy += tokenWeight * Entropy[token];
        }

        if (weight == 0)
        {
            gradient.Clear(); // a product would be NaN where the row is
            return;
        }

        sums.Loss += weight * Loss[token];
        sums.ZLoss += weight * LogSumExp[token] * LogSumExp[token];
        foreach (ref double element in gradient)
        {
            element *= weight;
        }
    }

    private void Reduce(in Sums sums, double rlLoss, double ptxCoefficient, PtxLossOptions options)
    {
        if (sums.Weight == 0)
        {
            Total = rlLoss;
            return;
        }

        double divisor = options.Reduction == LossReduction.Sum ? 1 : options.Denominator ?? sums.Weight;
        LanguageModelLoss = sums.Loss / divisor;
        ZLoss = options.ZLossCoefficient == 0 ? 0 : sums.ZLoss / divisor;
        Total = rlLoss + (ptxCoefficient * (LanguageModelLoss + (options.ZLossCoefficient * ZLoss)));
        Perplexity = Math.Exp(sums.UnfactoredLoss / sums.Weight);
        Accuracy = sums.Correct / sums.Weight;
        MeanEntropy = sums.Entropy / sums.Weight;
        GradientScale = ptxCoefficient / divisor;
        for (int i = 0; i < Gradient.Length; i++)
        {
            Gradient[i] *= GradientScale;
        }
    }

    /// <summary>
    /// Fills the outputs of a token, and its gradient with ∂(loss + β·lse²)/∂row. Returns s, which the token counts besides its
    /// weight.
    /// </summary>
    private double VisitRow(int token, double[] logits, Share[] shares, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap, smoothing = options.LabelSmoothing;

        // tanh would make −inf, which is not in the vocabulary, a logit of −c, and +inf, which has no softmax, one of c.
        double[] row = [.. logits.Select(x => options.LogitScale * (cap == 0 || double.IsInfinity(x) ? x : cap * Math.Tanh(x / cap)))];
        double[] inVocabulary = [.. row.Where(x => !double.IsNegativeInfinity(x))];

        int argMax = 0;
        for (int i = 0; i < row.Length && !double.IsNaN(row[argMax]); i++)
        {
            if (row[i] > row[argMax] || double.IsNaN(row[i]))
            {
                argMax = i;
            }
        }

        double max = row[argMax];
        double sum = 0;
        foreach (double x in row)
        {
            sum += Math.Exp(x - max);
        }

        // inf − inf: a row of only −inf has no softmax, a +inf no finite one.
        double logSumExp = double.IsNegativeInfinity(max) ? max : max + Math.Log(sum);
        double loss = shares.Sum(share => share.Probability == 0 ? 0 : share.Probability * (logSumExp - row[share.Id]));
        if (smoothing > 0)
        {
            double mean = inVocabulary.Sum(x => x / 4294967296) / inVocabulary.Length * 4294967296; // a sum of the largest doubles is infinite
            loss = ((1 - smoothing) * loss) + (smoothing * (logSumExp - mean));
        }

        Loss[token] = loss;
        LogSumExp[token] = logSumExp;
        TargetLogit[token] = row[shares[0].Id];
        ArgMax[token] = argMax;
        double[] softmax = Differentiate(token, logits, row, shares, (max, Math.Log(sum)), options);
        return FactorOf(softmax, shares[0].Id, options.TargetWeighting);
    }

    /// <summary>s, where 1 − p is taken as what the other ids have.</summary>
    private static double FactorOf(double[] softmax, int target, TargetWeighting weighting)
    {
        double p = softmax[target];
        return weighting switch
        {
            TargetWeighting.Probability => p,
            TargetWeighting.ProbabilityVariance => p * softmax.Where((_, i) => i != target).Sum(),
            _ => 1,
        };
    }

    /// <summary>Fills a token's entropy and gradients, and returns its softmax.</summary>
    private double[] Differentiate(
        int token, double[] logits, double[] row, Share[] shares, (double Max, double LogSum) logSumExp, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap, smoothing = options.LabelSmoothing, zLossCoefficient = options.ZLossCoefficient;
        int inVocabulary = row.Count(x => !double.IsNegativeInfinity(x));
        double total = shares.Sum(share => share.Probability);
        double[] softmax = new double[row.Length], target = new double[row.Length];
        foreach (Share share in shares)
        {
            target[share.Id] += share.Probability;
        }

        double entropy = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double logProbability = row[i] - logSumExp.Max - logSumExp.LogSum;
            double probability = softmax[i] = Math.Exp(logProbability);
            entropy -= probability == 0 ? 0 : probability * logProbability;

            // ∂/∂row of (Q·lse + β·lse²) − ε·mean − (1 − ε)·Σ q·row[id], then ∂row/∂logits.
            double ofZLoss = zLossCoefficient == 0 ? 0 : 2 * zLossCoefficient * LogSumExp[token];
            double ofLogSumExp = probability * (total + ofZLoss);
            double ofMean = smoothing == 0 || double.IsNegativeInfinity(row[i]) ? 0 : smoothing / inVocabulary;
            double ofTarget = (1 - smoothing) * target[i];
            double ofCap = cap == 0 || double.IsInfinity(logits[i]) ? 1 : Math.Pow(Math.Cosh(logits[i] / cap), -2);
            double ofLogit = ofCap * options.LogitScale;
            Gradient[(token * row.Length) + i] = (ofLogSumExp - ofMean - ofTarget) * ofLogit;
            LogSumExpGradient[(token * row.Length) + i] = probability * ofLogit;
            EntropyGradient[(token * row.Length) + i] = probability == 0 ? 0 : -probability * logProbability * ofLogit;
        }

        // ∂H/∂z = −p·(log p + H).
        for (int i = token * row.Length; i < (token + 1) * row.Length; i++)
        {
            EntropyGradient[i] -= LogSumExpGradient[i] * entropy;
        }

        Entropy[token] = entropy;
        return softmax;
    }

    /// <summary>A part of a token's target: 1 of a hard one.</summary>
    private readonly record struct Share(int Id, double Probability);

    /// <summary>Over the tokens that count: by their weights and s, and, of what results report, by their weights.</summary>
    private struct Sums
    {
        public double Loss, ZLoss, Weight, UnfactoredLoss, Correct, Entropy;
    }
}
