using System.Numerics;

namespace PtxLosses.Tests;

/// <summary>
/// The definition, in plain scalar double precision: two passes, the largest logit subtracted, no vectors, no threads, nothing
/// shared with the code it judges. Tests and benchmarks compare with it; the library never calls it.
/// </summary>
internal sealed class ScalarReference
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

    /// <summary>What <see cref="CrossEntropyOutputs"/> holds, per token.</summary>
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

    /// <summary>
    /// Takes what <c>PtxLoss.Compute</c> takes and, where targets are shifted, the targets per sequence (0: all are one).
    /// </summary>
    public static ScalarReference Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default,
        int sequenceLength = 0)
        where TLogit : INumberBase<TLogit>
        where TTarget : INumberBase<TTarget>
    {
        options ??= PtxLossOptions.Default;
        var result = new ScalarReference(targets.Length, logits.Length);
        int length = sequenceLength == 0 ? targets.Length : sequenceLength;
        double crossEntropy = 0, zLoss = 0, sumOfWeights = 0;
        for (int token = 0; token < targets.Length; token++)
        {
            int predicted = options.ShiftTargets ? token + 1 : token;
            bool isAfterTheEnd = options.ShiftTargets && predicted % length == 0;
            if (isAfterTheEnd || long.CreateChecked(targets[predicted]) == options.IgnoreIndex)
            {
                result.ArgMax[token] = -1;
                continue;
            }

            double[] row = new double[vocabularySize];
            for (int i = 0; i < vocabularySize; i++)
            {
                row[i] = double.CreateChecked(logits[(token * vocabularySize) + i]);
            }

            result.VisitRow(token, row, int.CreateChecked(targets[predicted]), options);
            result.TokenCount++;

            double weight = tokenWeights.IsEmpty ? 1 : tokenWeights[predicted];
            Span<double> gradient = result.Gradient.AsSpan(token * vocabularySize, vocabularySize);
            if (weight == 0)
            {
                gradient.Clear(); // a product would be NaN where the row is
                continue;
            }

            crossEntropy += weight * result.Loss[token];
            zLoss += weight * result.LogSumExp[token] * result.LogSumExp[token];
            sumOfWeights += weight;
            foreach (ref double element in gradient)
            {
                element *= weight;
            }
        }

        if (sumOfWeights == 0)
        {
            result.Total = rlLoss;
            return result;
        }

        double divisor = options.Reduction == LossReduction.Sum ? 1 : options.Denominator ?? sumOfWeights;
        result.LanguageModelLoss = crossEntropy / divisor;
        result.ZLoss = options.ZLossCoefficient == 0 ? 0 : zLoss / divisor;
        result.Total = rlLoss + (ptxCoefficient * (result.LanguageModelLoss + (options.ZLossCoefficient * result.ZLoss)));
        result.GradientScale = ptxCoefficient / divisor;
        for (int i = 0; i < result.Gradient.Length; i++)
        {
            result.Gradient[i] *= result.GradientScale;
        }

        return result;
    }

    /// <summary>Fills the outputs of a token, and its gradient with ∂(loss + β·lse²)/∂row.</summary>
    private void VisitRow(int token, double[] logits, int target, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap, smoothing = options.LabelSmoothing, zLossCoefficient = options.ZLossCoefficient;

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
        double loss = logSumExp - row[target];
        if (smoothing > 0)
        {
            double mean = inVocabulary.Sum(x => x / 4294967296) / inVocabulary.Length * 4294967296; // a sum of the largest doubles is infinite
            loss = ((1 - smoothing) * loss) + (smoothing * (logSumExp - mean));
        }

        Loss[token] = loss;
        LogSumExp[token] = logSumExp;
        TargetLogit[token] = row[target];
        ArgMax[token] = argMax;
        Differentiate(token, logits, row, target, (max, Math.Log(sum)), options);
    }

    /// <summary>Fills a token's entropy and gradients.</summary>
    private void Differentiate(int token, double[] logits, double[] row, int target, (double Max, double LogSum) logSumExp, PtxLossOptions options)
    {
        double cap = options.LogitSoftCap, smoothing = options.LabelSmoothing, zLossCoefficient = options.ZLossCoefficient;
        int inVocabulary = row.Count(x => !double.IsNegativeInfinity(x));
        double entropy = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double logProbability = row[i] - logSumExp.Max - logSumExp.LogSum;
            double probability = Math.Exp(logProbability);
            entropy -= probability == 0 ? 0 : probability * logProbability;

            // ∂/∂row of (lse + β·lse²) − ε·mean − (1 − ε)·row[target], then ∂row/∂logits.
            double ofLogSumExp = probability * (zLossCoefficient == 0 ? 1 : 1 + (2 * zLossCoefficient * LogSumExp[token]));
            double ofMean = smoothing == 0 || double.IsNegativeInfinity(row[i]) ? 0 : smoothing / inVocabulary;
            double ofTarget = i == target ? 1 - smoothing : 0;
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
    }
}
