using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>
/// How far off shards may be. A logit may be off by δ: by the products of floats, and by the rounding of what is left of a
/// log-sum-exp. So may each log-sum-exp be, a mean of them, and twice that any x − lse.
/// </summary>
internal sealed class HeadShardJudge(HeadProblem problem, ScalarReference expected, Bounds bounds)
{
    private readonly double _scale = problem.Options.LogitScale;
    private readonly double[] _logits = problem.Logits();
    private readonly double _logit = Math.Max(1, problem.Options.LogitScale) * (problem.LogitError + bounds.Sum);

    /// <summary>∂H/∂z_i is −p_i(log p_i + H), and that of shards has means of logits in place of the entropies.</summary>
    private double EntropyError(int token)
        => (4 * _logit * (1 + Math.Log(problem.VocabularySize) + Math.Abs(expected.LogSumExp[token]))) + (2 * bounds.Entropy);

    public void CheckValues(double[][] ofShards, (double[] LogSumExp, double[] Entropy) whole, double[][] targetLogits)
    {
        bool[] counts = [.. problem.Targets.Select(target => target >= 0)];
        ofShards.Should().OnlyContain(
            shard => shard.Where((_, token) => !counts[token]).All(lse => lse == 0), "ignored tokens have 0");
        Closeness.ShouldBeClose(
            [.. whole.LogSumExp.Select((lse, token) => counts[token] ? lse : 0)], expected.LogSumExp, _ => 2 * _logit);
        Closeness.ShouldBeClose(
            [.. whole.Entropy.Select((h, token) => counts[token] ? h : 0)], expected.Entropy, EntropyError);
        targetLogits.Select(shard => shard.Count(logit => logit != 0)).Sum().Should().BeLessThanOrEqualTo(
            counts.Count(isTrue => isTrue), "a target is in one shard");
        Closeness.ShouldBeClose(
            [.. counts.Select((_, token) => targetLogits.Sum(shard => shard[token]))], expected.TargetLogit, _ => _logit);
    }

    /// <summary>Of logits that are nearly the same, either may be the largest.</summary>
    public void CheckArgMax(int[] argMax, int start, int size)
    {
        for (int token = 0; token < argMax.Length; token++)
        {
            if (problem.Targets[token] < 0)
            {
                argMax[token].Should().Be(-1);
                continue;
            }

            ReadOnlySpan<double> row = _logits.AsSpan((token * problem.VocabularySize) + start, size);
            argMax[token].Should().BeInRange(start, start + size - 1);
            double largest = TensorPrimitives.Max(row), found = row[argMax[token] - start];
            (found == largest || largest - found <= 4 * _logit || IsCapped(found)).Should().BeTrue(
                "{0} is near {1}", found, largest);
        }

        // Where the cap is all but reached, many logits are one float.
        bool IsCapped(double logit) => problem.Options.LogitSoftCap != 0 && logit > 3 * problem.Options.LogitSoftCap;
    }

    public void CheckGradients(
        (double[] OfLoss, double[] OfLogSumExp, double[] OfEntropy) by,
        double[][] hiddenParts,
        float[] weight,
        float[] bias,
        double earlier)
    {
        var (hidden, ofWeight, ofBias) = problem.Backward(Gradient);
        var (hiddenError, weightError, biasError) = problem.Backward(Error, ofMagnitudes: true);
        double[] sum = [.. hidden.Select((_, i) => hiddenParts.Sum(part => part[i]))];
        double[] rounding = [.. hidden.Select(
            (_, i) => hiddenParts.Sum(part => (bounds.Rounding * Math.Abs(part[i])) + bounds.Smallest))];
        Closeness.ShouldBeClose(sum, hidden, i => hiddenError[i] + rounding[i]);
        CheckSums(weight, ofWeight, weightError);
        CheckSums(bias, ofBias, biasError);

        double Gradient(int i)
        {
            int token = i / problem.VocabularySize;
            return (by.OfLoss[token] * expected.Gradient[i]) + (by.OfLogSumExp[token] * expected.LogSumExpGradient[i])
                + (by.OfEntropy[token] * expected.EntropyGradient[i]);
        }

        // By what p is off by, and what the entropy is; by the cap's slope, which moves with its logit as 1/c does; and by
        // sums of floats.
        double Error(int i)
        {
            (int token, int id) = Math.DivRem(i, problem.VocabularySize);
            double p = problem.Targets[token] < 0 ? 0 : Probability(i);
            double cap = problem.Options.LogitSoftCap;
            double relative = (3 * _logit) + bounds.Softmax + (cap == 0 ? 0 : 2 * _logit / Math.Min(1, cap));
            double ofLoss = Math.Abs(by.OfLoss[token]) * (p + (problem.Targets[token] == id ? 1 : 0));
            double ofLogSumExp = Math.Abs(by.OfLogSumExp[token]) * p;
            double ofEntropy = Math.Abs(by.OfEntropy[token]) * p;
            double logOfP = p == 0 ? 0 : Math.Abs(Math.Log(p)) + expected.Entropy[token] + 1;
            return (_scale * ((relative * (ofLoss + ofLogSumExp + (ofEntropy * logOfP))) + (ofEntropy * EntropyError(token))))
                + (Math.Pow(2, -19) * Math.Abs(Gradient(i)));
        }

        void CheckSums(float[] actual, double[] gradient, double[] error)
            => Closeness.ShouldBeClose(
                TestData.ToDouble(actual),
                [.. gradient.Select(x => x + earlier)],
                i => error[i] + (Math.Pow(2, -20) * (earlier + Math.Abs(gradient[i]))) + 1e-37);
    }

    /// <summary>Without the slope of the cap, which may be 0 where p is not.</summary>
    private double Probability(int i)
    {
        double cap = problem.Options.LogitSoftCap, logit = _logits[i];
        double capped = cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap);
        return Math.Exp((_scale * capped) - expected.LogSumExp[i / problem.VocabularySize]);
    }
}
