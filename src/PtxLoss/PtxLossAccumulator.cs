using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>
/// Adds up the losses of the micro-batches of a step, or of all of an evaluation, and the tokens that they were taken over, so that
/// <see cref="ToResult"/> is what one call over all the tokens would return: not a mean of means, which weighs the tokens of a short
/// micro-batch more.
/// </summary>
/// <remarks>
/// <para>It adds up losses; gradients are added up where they are, with <see cref="PtxLossOptions.AccumulateGradient"/>, and are those of
/// one call if <see cref="PtxLossOptions.Denominator"/> is the weight of all the tokens.</para>
/// <para>Everything added must agree in <see cref="PtxLossOptions.ZLossCoefficient"/>, <see cref="PtxLossOptions.Reduction"/> and
/// <see cref="PtxLossOptions.Denominator"/>, for one number comes of it. What comes without tokens that count adds nothing and may have
/// any. Sums are in double, in the order of the calls. One thread at a time may use an instance: give each its own, then
/// <see cref="Merge"/>.</para>
/// </remarks>
public sealed class PtxLossAccumulator
{
    private LossTotals _totals;
    private double? _zLossCoefficient;
    private Normalizer? _divisor;

    /// <summary>
    /// Σ w · loss in nats over the tokens that count, w being their <see cref="PtxLossOptions.TokenWeights"/> or 1, with label
    /// smoothing and without the z-loss.
    /// </summary>
    public double LossSum => _totals.CrossEntropy;

    /// <summary>Σ w over the tokens that count: their number, if they have no weights. What a mean divides by.</summary>
    public double TokenCount => _totals.Weight;

    /// <summary>Σ w · lse² in nats² over the tokens that count; 0 without a z-loss.</summary>
    public double ZLossSum => _totals.ZLoss;

    /// <summary>β, the <see cref="PtxLossOptions.ZLossCoefficient"/> of all that was added; 0 before that.</summary>
    public double ZLossCoefficient => _zLossCoefficient ?? 0;

    /// <summary>Computes the losses of a micro-batch and adds them.</summary>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored.</param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// As for <c>PtxLoss.Compute</c>, or the options disagree with those of what was added before. Nothing has been added.
    /// </exception>
    public void Add<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits, ReadOnlySpan<TTarget> targets, int vocabularySize, PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Add(PtxLoss.Compute(rlLoss: 0, logits, targets, vocabularySize, ptxCoefficient: 0, options), nameof(options));

    /// <summary>
    /// Adds the losses of tokens whose log-sum-exp and target's logit are known: from <see cref="CrossEntropy.Forward"/>, or, where ranks hold
    /// shards of the vocabulary, the log-sum-exp of whole rows that they made together. Of a shard, the tokens are added whose target it
    /// has: all shards' accumulators together have each token once, and fewer than all tokens if a target is in none.
    /// </summary>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="targets">The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored; of a shard, any that is not negative, or ignored.</param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="logSumExp">The log-sum-exp of each whole row, <c>[tokens]</c>; of tokens that add nothing, anything.</param>
    /// <param name="targetLogit">The logit of each target, <c>[tokens]</c>; where there is none here, anything.</param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>; <see cref="PtxLossOptions.VocabularyStart"/> says that it is a shard.
    /// </param>
    /// <exception cref="ArgumentException">
    /// Lengths disagree, a target is out of range, an option is out of range, targets are smoothed or shifted, or the options disagree
    /// with those of what was added before. Nothing has been added.
    /// </exception>
    public unsafe void Add<TTarget>(
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        ReadOnlySpan<double> logSumExp,
        ReadOnlySpan<double> targetLogit,
        PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        Arguments.CheckUnshifted(options);
        Arguments.CheckVocabularySize(vocabularySize);
        OptionRanges.Check(options, targets.Length);
        Arguments.CheckUnsmoothed(options, "for losses of log-sum-exps");
        Arguments.CheckLength(logSumExp.Length, targets.Length, nameof(logSumExp), "values, one per target");
        Arguments.CheckLength(targetLogit.Length, targets.Length, nameof(targetLogit), "values, one per target");
        fixed (TTarget* start = targets)
        {
            var rows = new TargetRows<TTarget>(start, targets.Length, options.IgnoreIndex);
            Arguments.CheckTargets(in rows, Arguments.CheckShard(options, vocabularySize), shape: [targets.Length], options);
            var rowOptions = new RowOptions(options);
            ReadOnlySpan<float> weights = options.TokenWeights.Span;
            LossTotals sums = default;
            for (int token = 0; token < targets.Length; token++)
            {
                if (rows.Counts(token, out long target) && rowOptions.PlaceOf(target, vocabularySize) >= 0)
                {
                    double weight = weights.IsEmpty ? 1 : weights[token];
                    TokenLosses losses = weight == 0
                        ? default
                        : rowOptions.Weighted(weight, logSumExp[token] - targetLogit[token], logSumExp[token]);
                    sums += new LossTotals(losses.CrossEntropy, losses.ZLoss, weight, TokenCount: 1);
                }
            }

            Add(sums, options.ZLossCoefficient, new Normalizer(options), nameof(options));
        }
    }

    /// <summary>Adds the losses of any call that returned them: with a gradient, over tensors, or from hidden states.</summary>
    /// <param name="result">The result; its RL loss and γ are of no account.</param>
    /// <exception cref="ArgumentException">Its options disagree with those of what was added before. Nothing has been added.</exception>
    public void Add(PtxLossResult result) => Add(result, nameof(result));

    /// <summary>Adds sums of losses that have no z-loss, whatever computed them; they are reduced as what else is added.</summary>
    /// <param name="lossSum">Σ w · loss in nats over the tokens that count.</param>
    /// <param name="tokenCount">Σ w, or how many there are without weights: from 0 to 2⁵³.</param>
    /// <remarks>
    /// How many tokens the sums are of is not known: <see cref="PtxLossResult.TokenCount"/> of the result takes <paramref name="tokenCount"/> for
    /// it, rounded up.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// The count is out of range, there is a loss but no token, or what was added before has a z-loss. Nothing has been added.
    /// </exception>
    public void Add(double lossSum, double tokenCount)
        => Add(lossSum, tokenCount, zLossSum: 0, zLossCoefficient: 0, divisor: null, nameof(lossSum));

    /// <summary>Adds what an accumulator of another process has, or the sums of what several have.</summary>
    /// <param name="lossSum">Its <see cref="LossSum"/>.</param>
    /// <param name="tokenCount">Its <see cref="TokenCount"/>, from 0 to 2⁵³.</param>
    /// <param name="zLossSum">Its <see cref="ZLossSum"/>: not negative, and 0 without a z-loss.</param>
    /// <param name="options">
    /// The options of all that it added, of which <see cref="PtxLossOptions.ZLossCoefficient"/>, <see cref="PtxLossOptions.Reduction"/> and
    /// <see cref="PtxLossOptions.Denominator"/> apply; <see langword="null"/> for <see cref="PtxLossOptions.Default"/>.
    /// </param>
    /// <remarks>
    /// How many tokens the sums are of is not known: <see cref="PtxLossResult.TokenCount"/> of the result takes <paramref name="tokenCount"/> for
    /// it, rounded up. With weights that is another number.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// A number or an option is out of range, there is a loss but no token, or the options disagree with those of what was added before.
    /// Nothing has been added.
    /// </exception>
    public void Add(double lossSum, double tokenCount, double zLossSum, PtxLossOptions? options = null)
    {
        options ??= PtxLossOptions.Default;
        OptionRanges.Check(options);
        Add(lossSum, tokenCount, zLossSum, options.ZLossCoefficient, new Normalizer(options), nameof(options));
    }

    /// <summary>Adds all that another one has added up, of another thread or another part of the step; it stays as it is.</summary>
    /// <param name="other">The other one.</param>
    /// <exception cref="ArgumentNullException">There is no other.</exception>
    /// <exception cref="ArgumentException">It is this one, or what was added to both disagrees. Nothing has been added.</exception>
    public void Merge(PtxLossAccumulator other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other == this)
        {
            throw new ArgumentException("other is this accumulator itself, whose tokens would count twice.", nameof(other));
        }

        Add(other._totals, other.ZLossCoefficient, other._divisor, nameof(other));
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
        Arguments.CheckCoefficient(ptxCoefficient);
        return new PtxLossResult(rlLoss, ptxCoefficient, _totals, _divisor.GetValueOrDefault(), ZLossCoefficient);
    }

    private void Add(
        double lossSum, double tokenCount, double zLossSum, double zLossCoefficient, Normalizer? divisor, string name)
    {
        const double mostTokens = 1L << 53;
        CheckRange(tokenCount is >= 0 and <= mostTokens, tokenCount, nameof(tokenCount), "from 0 to 2^53");
        CheckRange(!(zLossSum < 0), zLossSum, nameof(zLossSum), "at least 0");
        CheckRange(tokenCount > 0 || lossSum == 0, lossSum, nameof(lossSum), "0 where tokenCount is 0");
        CheckRange(tokenCount > 0 || zLossSum == 0, zLossSum, nameof(zLossSum), "0 where tokenCount is 0");
        CheckRange(zLossCoefficient > 0 || zLossSum == 0, zLossSum, nameof(zLossSum), "0 where there is no z-loss");
        var sums = new LossTotals(lossSum, zLossSum, tokenCount, (long)Math.Ceiling(tokenCount));
        Add(sums, zLossCoefficient, divisor, name);
    }

    private void Add(PtxLossResult result, string name) => Add(result.Totals, result.ZLossCoefficient, result.Divisor, name);

    /// <param name="sums">What is added.</param>
    /// <param name="zLossCoefficient">Its β.</param>
    /// <param name="divisor">What its options make of it; <see langword="null"/> where it came without.</param>
    /// <param name="name">The parameter at fault if it does not agree with what was added before.</param>
    private void Add(LossTotals sums, double zLossCoefficient, Normalizer? divisor, string name)
    {
        if (sums.TokenCount == 0)
        {
            return;
        }

        CheckSame(_zLossCoefficient ?? zLossCoefficient, zLossCoefficient, nameof(PtxLossOptions.ZLossCoefficient), name);
        if (_divisor is { } before && divisor is { } added)
        {
            CheckSame(before.Reduction, added.Reduction, nameof(PtxLossOptions.Reduction), name);
            CheckSame(before.Denominator, added.Denominator, nameof(PtxLossOptions.Denominator), name);
        }

        LossTotals totals = _totals + sums;
        divisor = _divisor ?? divisor;
        Arguments.CheckDenominator(divisor.GetValueOrDefault(), totals.Weight, totals.TokenCount, name);
        (_totals, _zLossCoefficient, _divisor) = (totals, zLossCoefficient, divisor);
    }

    private static void CheckSame<T>(T before, T added, string option, string name)
    {
        if (!EqualityComparer<T>.Default.Equals(before, added))
        {
            throw new ArgumentException(
                FormattableString.Invariant($"{option} is {Text(added)}, but {Text(before)} in what was added before; one loss cannot have both."),
                name);
        }

        static object Text(T value) => value is null ? "null" : value;
    }

    private static void CheckRange(bool isInRange, double value, string name, string range)
    {
        if (!isInRange)
        {
            throw new ArgumentOutOfRangeException(name, value, FormattableString.Invariant($"{name} is {value}, but must be {range}."));
        }
    }
}
