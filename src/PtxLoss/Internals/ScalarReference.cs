using System.Numerics;

namespace PtxLosses.Internals;

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
    }

    /// <summary>What <see cref="CrossEntropyOutputs"/> holds, per token.</summary>
    public double[] Loss { get; }
    public double[] LogSumExp { get; }
    public double[] TargetLogit { get; }
    public double[] Entropy { get; }
    public int[] ArgMax { get; }

    /// <summary>∂Total/∂logits.</summary>
    public double[] Gradient { get; }

    /// <summary>∂Total/∂(the loss of a token that counts).</summary>
    public double GradientScale { get; private set; }

    public double LanguageModelLoss { get; private set; }
    public double Total { get; private set; }
    public long TokenCount { get; private set; }

    public static ScalarReference Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : INumberBase<TLogit>
        where TTarget : INumberBase<TTarget>
    {
        options ??= PtxLossOptions.Default;
        var result = new ScalarReference(targets.Length, logits.Length);
        double sum = 0;
        for (int token = 0; token < targets.Length; token++)
        {
            long target = long.CreateChecked(targets[token]);
            if (target == options.IgnoreIndex)
            {
                result.ArgMax[token] = -1;
                continue;
            }

            double[] row = new double[vocabularySize];
            for (int i = 0; i < vocabularySize; i++)
            {
                row[i] = double.CreateChecked(logits[(token * vocabularySize) + i]);
            }

            result.VisitRow(token, row, (int)target);
            sum += result.Loss[token];
            result.TokenCount++;
        }

        double divisor = options.Reduction == LossReduction.Sum ? 1 : options.Denominator ?? result.TokenCount;
        result.LanguageModelLoss = result.TokenCount == 0 ? 0 : sum / divisor;
        result.Total = result.TokenCount == 0 ? rlLoss : rlLoss + (ptxCoefficient * result.LanguageModelLoss);
        result.GradientScale = result.TokenCount == 0 ? 0 : ptxCoefficient / divisor;
        for (int i = 0; i < result.Gradient.Length; i++)
        {
            result.Gradient[i] *= result.GradientScale;
        }

        return result;
    }

    private void VisitRow(int token, double[] row, int target)
    {
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
        double entropy = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double logProbability = row[i] - max - Math.Log(sum);
            double probability = Math.Exp(logProbability);
            entropy -= probability == 0 ? 0 : probability * logProbability;
            Gradient[(token * row.Length) + i] = probability - (i == target ? 1 : 0);
        }

        Loss[token] = logSumExp - row[target];
        LogSumExp[token] = logSumExp;
        TargetLogit[token] = row[target];
        Entropy[token] = entropy;
        ArgMax[token] = argMax;
    }
}
