namespace PtxLosses.Tests;

/// <summary>How far results may be off from the reference, whatever the options.</summary>
/// <param name="Rounding">A gradient by its rounding, relative to itself.</param>
/// <param name="Smallest">A gradient at least.</param>
/// <param name="Sum">A log-sum-exp.</param>
/// <param name="Softmax">A probability, relative to itself.</param>
/// <param name="Entropy">An entropy.</param>
/// <param name="Largest">The largest finite number of the type: a gradient beyond is infinite.</param>
internal sealed record Bounds(
    double Rounding,
    double Smallest,
    double Sum = 1e-6,
    double Softmax = 3e-5,
    double Entropy = 1e-5,
    double Largest = float.MaxValue)
{
    public static Bounds Of<TLogit>()
        where TLogit : unmanaged
    {
        if (typeof(TLogit) == typeof(double))
        {
            return new(Math.Pow(2, -53), 2.3e-308, Sum: 1e-11, Softmax: 1e-11, Entropy: 1e-9, Largest: double.MaxValue);
        }

        return typeof(TLogit) == typeof(float) ? new(Math.Pow(2, -24), 1.2e-38)
            : typeof(TLogit) == typeof(Half) ? new(Math.Pow(2, -11), Math.Pow(2, -25), Largest: (double)Half.MaxValue)
            : new(Math.Pow(2, -8), 1.2e-38, Largest: (double)BFloat16.MaxValue);
    }

    /// <summary>
    /// How far a log-sum-exp or a loss may be off: by that of the sum, whatever its size, and by its own rounding; but the mean
    /// of capped logits that smoothing takes has the digits of a float.
    /// </summary>
    public double OfSum(double size, PtxLossOptions options)
        => Sum + (options.LogitSoftCap == 0 ? 0 : 7 * Sum * options.LabelSmoothing * Math.Max(1, size / 100))
            // The reference adds one by one.
            + ((options.LabelSmoothing == 0 ? options.LogitSoftCap == 0 ? 1e-15 : 4e-15 : 1e-12) * size);

    /// <summary>
    /// What a token's targets make of its loss, and how far that may be off: a weighting s is off by what the softmax of the
    /// target is.
    /// </summary>
    /// <param name="expected">The reference.</param>
    /// <param name="token">The token.</param>
    /// <param name="options">The options.</param>
    /// <param name="targetSum">Q, what the probabilities of its targets add up to.</param>
    public TargetShare ShareOf(IReference expected, int token, PtxLossOptions options, double targetSum = 1)
    {
        double logSumExp = expected.LogSumExp[token], targetLogit = expected.TargetLogit[token];
        if (options.TargetWeighting == TargetWeighting.Uniform || !double.IsFinite(logSumExp))
        {
            return new(targetSum, Weighting: 1, WeightingError: 0);
        }

        double size = Math.Abs(logSumExp) + (double.IsInfinity(targetLogit) ? 0 : Math.Abs(targetLogit));
        double rounding = (options.LogitSoftCap == 0 ? 1e-15 : 8e-15) * size;
        double shift = Math.Min(0, targetLogit - logSumExp), most = Math.Exp(Math.Min(0, shift + rounding));
        double error = most * (OfProbability(options) + Math.Min(1, Math.Exp(rounding) - 1));
        double weighting = options.TargetWeighting == TargetWeighting.Probability
            ? most
            : most * (1 - Math.Exp(shift - rounding));
        return new(targetSum, weighting + error, error);
    }

    /// <summary>
    /// The share of the tokens, by weight, of whose largest logits one cannot tell which is larger: below a cap they may be
    /// equal where the logits are not.
    /// </summary>
    public static double DoubtfulAccuracy(
        double[] exact, int vocabularySize, Func<int, long> targetOf, Func<int, double> weightOf, PtxLossOptions options)
    {
        double sum = 0, doubtful = 0, cap = options.LogitSoftCap;
        for (int token = 0; token < exact.Length / vocabularySize && cap > 0; token++)
        {
            long target = targetOf(token);
            double weight = target < 0 ? 0 : weightOf(token);
            sum += weight;
            if (weight > 0)
            {
                double[] row = [.. exact[(token * vocabularySize)..((token + 1) * vocabularySize)].Select(
                    x => double.IsInfinity(x) ? x : Math.Tanh(x / cap))];
                double others = row.Where((_, id) => id != target).Append(double.NegativeInfinity).Max();
                doubtful += Math.Abs(row[target] - others) <= 1e-15 ? weight : 0;
            }
        }

        return doubtful == 0 ? 0 : doubtful / sum;
    }

    /// <summary>
    /// How far a loss and its statistics may be off; all of its tokens may be off the same way, by the bound of a log-sum-exp.
    /// </summary>
    /// <param name="actual">The result.</param>
    /// <param name="expected">The reference.</param>
    /// <param name="coefficient">γ.</param>
    /// <param name="options">The options.</param>
    /// <param name="shareOf">What the targets of each token count.</param>
    /// <param name="doubtful">The share of tokens that have two largest logits, as far as one can tell.</param>
    public void CheckLosses(
        PtxLossResult actual,
        IReference expected,
        double coefficient,
        PtxLossOptions options,
        Func<int, TargetShare>? shareOf = null,
        double doubtful = 0)
    {
        actual.TokenCount.Should().Be(expected.TokenCount);
        double largest = expected.LogSumExp.Concat(expected.Loss).Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();
        TargetShare[] shares = [.. Enumerable.Range(0, expected.Loss.Length).Select(
            shareOf ?? (token => ShareOf(expected, token, options)))];
        double all = shares.Select(share => Math.Max(1, share.Sum)).Append(1).Max();
        double ofFactor = shares.Select(
            (share, token) => Product(share.WeightingError, Math.Abs(expected.Loss[token]))).Append(0).Max();
        double ofSquares = shares.Select(
            (share, token) => Product(share.WeightingError, Math.Pow(expected.LogSumExp[token], 2))).Append(0).Max();
        double counted = coefficient == 0 ? 0 : Math.Abs(expected.GradientScale / coefficient) * 3 * expected.LogSumExp.Length;
        double ofToken = all * OfSum(largest, options), ofLoss = counted * (ofToken + ofFactor);
        double ofZLoss = counted * ((OfSum(largest, options) * 2 * (1 + largest)) + ofSquares);
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
            i => 1e-13 + i switch
            {
                0 => ofLoss,
                1 => ofZLoss,
                _ => Math.Abs(coefficient) * (ofLoss + (options.ZLossCoefficient * ofZLoss)),
            });

        // Capped logits are off by a few ulps of a tanh, and exponentials of large ones by any factor.
        double ofCap = options.LogitSoftCap == 0 ? 0 : Math.Exp(4e-15 * largest) - 1;
        double ofEntropy = Entropy + (ofCap * (2 + expected.MeanEntropy));
        CheckStatistics(actual, expected, options, (2 * ofToken) + 1e-13, ofEntropy, doubtful);

        static double Product(double error, double size) => error == 0 || !double.IsFinite(size) ? 0 : error * size;
    }

    private static void CheckStatistics(
        PtxLossResult actual,
        IReference expected,
        PtxLossOptions options,
        double ofLoss,
        double ofEntropy,
        double doubtful)
    {
        Closeness.ShouldBeClose([LogOf(actual.Perplexity)], [LogOf(expected.Perplexity)], _ => ofLoss);
        actual.Accuracy.HasValue.Should().Be(options.Statistics.HasFlag(LossStatistics.Accuracy));
        actual.Entropy.HasValue.Should().Be(options.Statistics.HasFlag(LossStatistics.Entropy));
        Closeness.ShouldBeClose(
            [actual.Accuracy ?? 0], [actual.Accuracy.HasValue ? expected.Accuracy : 0], _ => doubtful + 1e-12);
        Closeness.ShouldBeClose([actual.Entropy ?? 0], [actual.Entropy.HasValue ? expected.MeanEntropy : 0], _ => ofEntropy);

        // What exponents there are, with all digits.
        static double LogOf(double perplexity) => Math.Clamp(Math.Log(perplexity), -700, 709);
    }

    /// <summary>A softmax from the exact logit of its id and a sum of exponentials, relative to itself.</summary>
    private double OfProbability(PtxLossOptions options) => (options.LogitSoftCap == 0 ? 1 : 3) * Sum;

    /// <summary>
    /// How much further off an element may be whose row's entropy is differentiated too: by that of its probability.
    /// </summary>
    public double OfEntropyGradient(IReference expected, int element, double by, int token)
    {
        double p = expected.LogSumExpGradient[element], gradient = Math.Abs(expected.EntropyGradient[element]);
        double ofLogSumExp = Math.Exp(4e-16 * Math.Abs(expected.LogSumExp[token])) - 1;
        double ofSoftmax = (Softmax * p) + (p == 0 ? 0 : Math.Min(1, p * ofLogSumExp));
        return by == 0 || double.IsNaN(p)
            ? 0
            : Math.Abs(by) * ((ofSoftmax * (2 + Math.Abs(expected.Entropy[token])) * (1 + (2 * Rounding)))
                + ((Softmax + Math.Min(1, ofLogSumExp)) * gradient)
                + ((p + ofSoftmax) * 4e-16 * Math.Abs(expected.LogSumExp[token]))
                + 1e-13
                + (20 * Smallest));
    }

    /// <summary>
    /// Checks a gradient; an element that is infinite is right where the exact one is beyond the range of the type.
    /// </summary>
    public void CheckGradient(double[] actual, double[] expected, Func<int, double> tolerance)
    {
        Closeness.ShouldBeClose(
            [.. actual.Select((x, i) => double.IsInfinity(x) && MayBeBeyond(Math.Sign(x), i) ? expected[i] : x)],
            expected,
            tolerance);

        bool MayBeBeyond(int sign, int i) => (sign * expected[i]) + tolerance(i) >= Largest;
    }

    /// <summary>How far an element of a gradient may be off.</summary>
    /// <param name="logit">The logit, as it was passed.</param>
    /// <param name="isTarget">Whether it is its token's target.</param>
    /// <param name="logSumExp">The log-sum-exp of its row.</param>
    /// <param name="scale">What the loss of its token counts, but for what its targets make of it.</param>
    /// <param name="size">How large the element is, and what it is added to.</param>
    /// <param name="vocabularySize">How many share a smoothed target.</param>
    /// <param name="options">The options.</param>
    /// <param name="isOfLogSumExp">Whether it is made of a log-sum-exp that was rounded to a double.</param>
    /// <param name="share">What its token's targets make of the loss; nothing for a target that counts once.</param>
    public double OfGradient(
        double logit,
        bool isTarget,
        double logSumExp,
        double scale,
        double size,
        int vocabularySize,
        PtxLossOptions options,
        bool isOfLogSumExp = false,
        TargetShare? share = null)
    {
        double cap = options.LogitSoftCap;
        double capped = options.LogitScale * (cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap));
        if (isOfLogSumExp && cap != 0 && Math.Abs(logSumExp) > 1e15)
        {
            // Capped logits and their log-sum-exp are off by more than 1: any number may come of it.
            return double.PositiveInfinity;
        }

        (double targetSum, double weighting, double weightingError) = share ?? new(1, 1, 0);
        double unweighted =
            options.LogitScale * Math.Abs(scale) * (targetSum + (2 * options.ZLossCoefficient * (1 + Math.Abs(logSumExp))));
        double slope = unweighted * weighting;
        double softmax = Math.Exp(capped - logSumExp), ofLogSumExp = Math.Exp(4e-16 * Math.Abs(logSumExp)) - 1;
        double ofCap = cap == 0 ? 0 : 4e-15 * Math.Abs(capped); // a few ulps of a tanh
        double smoothed = options.LabelSmoothing / vocabularySize;
        double ofSoftmax = isTarget ? Sum + ofCap : (Softmax + ofCap) * (softmax + smoothed);
        ofSoftmax += !isOfLogSumExp || softmax == 0 ? 0 : Math.Min(1, softmax * ofLogSumExp) * (1 + (2 * Rounding));
        double ofWeighting = weightingError == 0 ? 0 : unweighted * weightingError * (softmax + smoothed + (isTarget ? 1 : 0));
        return (2 * Rounding * size) + (slope * (ofSoftmax + 1e-13)) + ofWeighting + ((1 + slope) * Smallest);
    }
}

/// <summary>What the targets of a token make of its loss: a hard target without a weighting nothing, 1 and 1.</summary>
/// <param name="Sum">Q, what their probabilities add up to.</param>
/// <param name="Weighting">s, at most.</param>
/// <param name="WeightingError">How far off it may be.</param>
internal readonly record struct TargetShare(double Sum, double Weighting, double WeightingError);
