using PtxLosses.Batch;
using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>
/// Adds up the losses of the micro-batches of a step, or of all of an evaluation, and the tokens that they were taken over, so
/// that <see cref="ToResult"/> is what one call over all the tokens would return: not a mean of means, which weighs the tokens of
/// a short micro-batch more.
/// </summary>
/// <remarks>
/// <para>It adds up losses; gradients are added up where they are, with <see cref="PtxLossOptions.AccumulateGradient"/>, and are
/// those of one call if <see cref="PtxLossOptions.Denominator"/> is the weight of all the tokens.</para>
/// <para>Everything added must agree in <see cref="PtxLossOptions.ZLossCoefficient"/>, <see cref="PtxLossOptions.Reduction"/> and
/// <see cref="PtxLossOptions.Denominator"/>, for one number comes of it. What comes without tokens that count adds nothing and
/// may have any. A statistic is reported if it is known of all that was added. Sums are in double, in the order of the calls.
/// One thread at a time may use an instance: give each its own, then <see cref="Merge"/>.</para>
/// </remarks>
public sealed class PtxLossAccumulator
{
    private LossTotals _totals;
    private double? _zLossCoefficient;
    private Normalizer? _normalizer;

    /// <summary>
    /// Σ w · loss in nats over the tokens that count, w being their weights or 1, with label smoothing and without the z-loss.
    /// </summary>
    public double LossSum => _totals.Sums.CrossEntropy;

    /// <summary>Σ w over the tokens that count: their number, if they have no weights. What a mean divides by.</summary>
    public double WeightSum => _totals.Weight;

    /// <summary>Σ w · lse² in nats² over the tokens that count; 0 without a z-loss.</summary>
    public double ZLossSum => _totals.Sums.ZLoss;

    /// <summary>How many tokens counted, those of weight 0 included.</summary>
    public long TokenCount => _totals.TokenCount;

    /// <summary>
    /// Σ w over the tokens that count whose largest logit is that of the target, as far as
    /// <see cref="PtxLossOptions.Statistics"/> asked for the accuracy.
    /// </summary>
    public double CorrectSum => _totals.Sums.Correct;

    /// <summary>
    /// Σ w · H in nats over the tokens that count, with H the entropy, as far as <see cref="PtxLossOptions.Statistics"/> asked
    /// for it.
    /// </summary>
    public double EntropySum => _totals.Sums.Entropy;

    /// <summary>Adds the losses of any call that returned them: with a gradient, over tensors, or from hidden states.</summary>
    /// <param name="result">The result; its RL loss and γ are of no account.</param>
    /// <exception cref="ArgumentException">
    /// Its options disagree with those of what was added before. Nothing has been added.
    /// </exception>
    public void Add(PtxLossResult result)
        => Add(result.Totals, result.ZLossCoefficient, result.Normalizer, nameof(result));

    /// <summary>
    /// Adds sums that were made elsewhere: what an accumulator of another process has, or the losses of a shard of the
    /// vocabulary, whose loss of a token is the log-sum-exp of the whole row minus the logit of the target, added by the shard
    /// that has it.
    /// </summary>
    /// <param name="lossSum">Σ w · loss in nats over the tokens that count: <see cref="LossSum"/>.</param>
    /// <param name="weightSum">
    /// Σ w over them, or their number without weights: <see cref="WeightSum"/>; finite and at least 0.
    /// </param>
    /// <param name="zLossSum">Σ w · lse²: <see cref="ZLossSum"/>; not negative, and 0 without a z-loss.</param>
    /// <param name="tokenCount">How many tokens they are, for <see cref="PtxLossResult.TokenCount"/>; at least 0.</param>
    /// <param name="correctSum">
    /// Σ w over those whose largest logit is that of the target: <see cref="CorrectSum"/>; from 0 to
    /// <paramref name="weightSum"/>.
    /// </param>
    /// <param name="entropySum">Σ w · H: <see cref="EntropySum"/>; at least 0.</param>
    /// <param name="options">
    /// The options of all that was added up, of which <see cref="PtxLossOptions.ZLossCoefficient"/>,
    /// <see cref="PtxLossOptions.Reduction"/> and <see cref="PtxLossOptions.Denominator"/> apply; <see langword="null"/> for
    /// <see cref="PtxLossOptions.Default"/>. A statistic is known of these tokens if <see cref="PtxLossOptions.Statistics"/>
    /// names it or its sum is not 0.
    /// </param>
    /// <exception cref="ArgumentException">
    /// A number or an option is out of range, there is a loss but no weight, or the options disagree with those of what was added
    /// before. Nothing has been added.
    /// </exception>
    public void Add(
        double lossSum,
        double weightSum,
        double zLossSum = 0,
        long tokenCount = 0,
        double correctSum = 0,
        double entropySum = 0,
        PtxLossOptions? options = null)
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.CheckRanges(options);
        OptionChecks.CheckReduction(options);
        Check(weightSum is >= 0 and < double.PositiveInfinity, weightSum, nameof(weightSum), "finite and at least 0");
        Check(!(zLossSum < 0), zLossSum, nameof(zLossSum), "at least 0");
        Check(tokenCount >= 0, tokenCount, nameof(tokenCount), "at least 0");
        Check(weightSum > 0 || lossSum == 0, lossSum, nameof(lossSum), "0 where weightSum is 0");
        Check(weightSum > 0 || zLossSum == 0, zLossSum, nameof(zLossSum), "0 where weightSum is 0");
        Check(options.ZLossCoefficient > 0 || zLossSum == 0, zLossSum, nameof(zLossSum), "0 where options.ZLossCoefficient is 0");
        CheckStatistic(correctSum, weightSum, most: weightSum * (1 + 1e-9), nameof(correctSum), "from 0 to weightSum");
        CheckStatistic(entropySum, weightSum, most: double.PositiveInfinity, nameof(entropySum), "at least 0");

        // A weighting is in the sum, and how much there is of it is not known.
        double surprisal = options.TargetWeighting == TargetWeighting.Uniform || weightSum == 0 ? lossSum : double.NaN;
        LossStatistics known = options.Statistics
            | (correctSum == 0 ? LossStatistics.None : LossStatistics.Accuracy)
            | (entropySum == 0 ? LossStatistics.None : LossStatistics.Entropy);
        var sums = new TokenLosses(lossSum, zLossSum, surprisal, correctSum, entropySum);
        Add(new(sums, weightSum, tokenCount, known), options.ZLossCoefficient, new Normalizer(options), nameof(options));
    }

    /// <summary>
    /// Adds all that another one has added up, of another thread or another part of the step; it stays as it is.
    /// </summary>
    /// <param name="other">The other one.</param>
    /// <exception cref="ArgumentNullException">There is no other.</exception>
    /// <exception cref="ArgumentException">
    /// It is this one, or what was added to both disagrees. Nothing has been added.
    /// </exception>
    public void Merge(PtxLossAccumulator other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other == this)
        {
            throw new ArgumentException("other is this accumulator itself, whose tokens would count twice.", nameof(other));
        }

        Add(other._totals, other._zLossCoefficient ?? 0, other._normalizer ?? default, nameof(other));
    }

    /// <summary>The PPO-ptx loss of all that was added, as one call over all the tokens would have returned it.</summary>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <returns>
    /// The total and its parts: a mean over the weights of all tokens, or a sum, or divided by the denominator, as the options
    /// that came with them say. <paramref name="rlLoss"/> is the total if no token counts.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">γ is not finite.</exception>
    public PtxLossResult ToResult(double rlLoss, double ptxCoefficient)
    {
        OptionChecks.CheckCoefficient(ptxCoefficient);
        return new PtxLossResult(rlLoss, ptxCoefficient, _totals, _normalizer.GetValueOrDefault(), _zLossCoefficient ?? 0);
    }

    /// <param name="sums">What is added.</param>
    /// <param name="zLossCoefficient">Its β.</param>
    /// <param name="normalizer">What its options make of it.</param>
    /// <param name="name">The parameter at fault if it does not agree with what was added before.</param>
    private void Add(LossTotals sums, double zLossCoefficient, Normalizer normalizer, string name)
    {
        if (sums.AreEmpty)
        {
            _totals += sums;
            return;
        }

        CheckSame(_zLossCoefficient ?? zLossCoefficient, zLossCoefficient, nameof(PtxLossOptions.ZLossCoefficient), name);
        if (_normalizer is { } before)
        {
            CheckSame(before.Reduction, normalizer.Reduction, nameof(PtxLossOptions.Reduction), name);
            CheckSame(before.Denominator, normalizer.Denominator, nameof(PtxLossOptions.Denominator), name);
        }

        LossTotals totals = _totals + sums;
        new BatchCount(totals.TokenCount, totals.Weight).CheckDivisor(normalizer, name);
        (_totals, _zLossCoefficient, _normalizer) = (totals, zLossCoefficient, normalizer);
    }

    private static void CheckStatistic(double sum, double weightSum, double most, string name, string range)
    {
        Check(!(sum < 0) && !(sum > most), sum, name, range);
        Check(weightSum > 0 || sum == 0, sum, name, "0 where weightSum is 0");
    }

    private static void CheckSame<T>(T before, T added, string option, string name)
    {
        if (!EqualityComparer<T>.Default.Equals(before, added))
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"{option} is {Text(added)}, but {Text(before)} in what was added before; one loss cannot have both."),
                name);
        }

        static object Text(T value) => value is null ? "null" : value;
    }

    private static void Check<T>(bool isInRange, T value, string name, string range)
    {
        if (!isInRange)
        {
            throw new ArgumentOutOfRangeException(
                name, value, FormattableString.Invariant($"{name} is {value}, but must be {range}."));
        }
    }
}
