namespace PtxLosses.Calls;

/// <summary>What each option may be.</summary>
internal static class OptionRanges
{
    public static void Check(PtxLossOptions options, long tokens)
    {
        Check(options);
        TokenWeights.CheckLength(options, tokens);
    }

    /// <summary>Checks all but the length of the weights; their values are checked with the targets.</summary>
    public static void Check(PtxLossOptions options)
    {
        Check(
            options,
            options.Reduction is LossReduction.Mean or LossReduction.Sum,
            nameof(options.Reduction), options.Reduction, "Mean or Sum");
        Check(
            options,
            options.Denominator is null or >= 0 and < double.PositiveInfinity,
            nameof(options.Denominator), options.Denominator, "finite and at least 0, or null");
        Check(
            options,
            options.LabelSmoothing is >= 0 and < 1,
            nameof(options.LabelSmoothing), options.LabelSmoothing, "in [0, 1)");
        Check(
            options,
            options.ZLossCoefficient is >= 0 and < double.PositiveInfinity,
            nameof(options.ZLossCoefficient), options.ZLossCoefficient, "finite and at least 0");
        Check(
            options,
            options.LogitSoftCap is >= 0 and < double.PositiveInfinity,
            nameof(options.LogitSoftCap), options.LogitSoftCap, "finite and at least 0; 0 is off");
        Check(
            options,
            options.MaxDegreeOfParallelism is -1 or >= 1,
            nameof(options.MaxDegreeOfParallelism), options.MaxDegreeOfParallelism, "-1 (all cores) or at least 1");
        Check(
            options,
            options.VocabularyStart is >= 0 and <= long.MaxValue - int.MaxValue,
            nameof(options.VocabularyStart), options.VocabularyStart, "from 0 to 2^63 - 2^31");
    }

    private static void Check<T>(PtxLossOptions options, bool isInRange, string option, T value, string range)
    {
        if (!isInRange)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), value, FormattableString.Invariant($"options.{option} is {value}, but must be {range}."));
        }
    }
}
