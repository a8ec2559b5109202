using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>Options that not every call can honour.</summary>
[Flags]
internal enum HonouredOptions
{
    None = 0,

    /// <summary><see cref="PtxLossOptions.ShiftTargets"/>.</summary>
    Shift = 1,

    /// <summary>What makes one number of many losses: a reduction, a denominator, weightings, statistics, a z-loss.</summary>
    Reduction = 2,

    /// <summary><see cref="PtxLossOptions.VocabularyStart"/>.</summary>
    Shards = 4,
}

/// <summary>What each option may be, and in which calls.</summary>
internal static class OptionChecks
{
    /// <summary>Checks the ranges of all options, and refuses by name those that are set and cannot be honoured.</summary>
    /// <param name="options">The options.</param>
    /// <param name="honoured">What the call can honour.</param>
    /// <param name="areTargetsSoft">Whether targets are distributions.</param>
    /// <param name="whyUnshifted">Why targets cannot be shifted, where they cannot.</param>
    public static void Check(
        PtxLossOptions options, HonouredOptions honoured, bool areTargetsSoft = false, string whyUnshifted = "")
    {
        CheckRanges(options);
        if (areTargetsSoft)
        {
            CheckSoft(options);
        }

        if ((honoured & HonouredOptions.Shift) == HonouredOptions.None)
        {
            CheckUnshifted(options, whyUnshifted);
        }

        if ((honoured & HonouredOptions.Shards) == HonouredOptions.None)
        {
            Refuse(
                options.VocabularyStart != null,
                nameof(options.VocabularyStart),
                options.VocabularyStart,
                "null here: the loss needs whole rows of logits; CrossEntropy takes a shard of them");
        }

        if ((honoured & HonouredOptions.Reduction) == HonouredOptions.None)
        {
            CheckPerToken(options);
        }

        Refuse(
            options.VocabularyStart != null && options.LabelSmoothing != 0,
            nameof(options.LabelSmoothing),
            options.LabelSmoothing,
            "0 where options.VocabularyStart is set: it takes a mean over the whole vocabulary");
        CheckReduction(options);
    }

    /// <summary>Refuses what has no meaning without one target.</summary>
    private static void CheckSoft(PtxLossOptions options)
    {
        Refuse(
            options.LabelSmoothing != 0,
            nameof(options.LabelSmoothing), options.LabelSmoothing, "0 with soft targets, which are a distribution already");
        Refuse(
            options.TargetWeighting != TargetWeighting.Uniform,
            nameof(options.TargetWeighting), options.TargetWeighting, "Uniform with soft targets: none of them is the target");
        Refuse(
            (options.Statistics & LossStatistics.Accuracy) != LossStatistics.None,
            nameof(options.Statistics), options.Statistics, "without Accuracy with soft targets: none of them is the right one");
    }

    /// <summary>Refuses what makes one number of many losses.</summary>
    private static void CheckPerToken(PtxLossOptions options)
    {
        const string perToken = "in a call per token, which reduces nothing";
        Refuse(options.Reduction != LossReduction.Mean, nameof(options.Reduction), options.Reduction, $"Mean {perToken}");
        Refuse(options.Denominator != null, nameof(options.Denominator), options.Denominator, $"null {perToken}");
        Refuse(
            options.ZLossCoefficient != 0,
            nameof(options.ZLossCoefficient),
            options.ZLossCoefficient,
            "0 in a call per token: give CrossEntropy.Backward the gradient of the log-sum-exp, 2·β·lse");
        Refuse(
            options.TargetWeighting != TargetWeighting.Uniform,
            nameof(options.TargetWeighting),
            options.TargetWeighting,
            "Uniform in a call per token: give its gradients the weight");
        Refuse(
            options.Statistics != LossStatistics.None,
            nameof(options.Statistics),
            options.Statistics,
            "None in a call per token: CrossEntropyOutputs has the entropy and the arg-max");
    }

    /// <summary>Refuses to shift targets.</summary>
    public static void CheckUnshifted(PtxLossOptions options, string why)
    {
        if (options.ShiftTargets)
        {
            throw new ArgumentException($"options.ShiftTargets is true, but must be false {why}.", nameof(options));
        }
    }

    /// <summary>Refuses a denominator of what is not divided.</summary>
    public static void CheckReduction(PtxLossOptions options) => Refuse(
        options is { Reduction: LossReduction.Sum, Denominator: not null },
        nameof(options.Denominator),
        options.Denominator,
        "null where options.Reduction is Sum: a sum is not divided");

    /// <summary>Checks the ranges of all options.</summary>
    public static void CheckRanges(PtxLossOptions options)
    {
        Check(
            options.Reduction is LossReduction.Mean or LossReduction.Sum,
            nameof(options.Reduction), options.Reduction, "Mean or Sum");
        Check(
            options.Denominator is null or >= 0 and < double.PositiveInfinity,
            nameof(options.Denominator), options.Denominator, "finite and at least 0, or null");
        Check(
            options.LabelSmoothing is >= 0 and < 1,
            nameof(options.LabelSmoothing), options.LabelSmoothing, "in [0, 1)");
        Check(
            options.ZLossCoefficient is >= 0 and < double.PositiveInfinity,
            nameof(options.ZLossCoefficient), options.ZLossCoefficient, "finite and at least 0");
        Check(
            options.LogitScale is > 0 and < double.PositiveInfinity,
            nameof(options.LogitScale), options.LogitScale, "finite and above 0");
        Check(
            options.LogitSoftCap is >= 0 and < double.PositiveInfinity,
            nameof(options.LogitSoftCap), options.LogitSoftCap, "finite and at least 0; 0 is off");
        Check(
            options.TargetWeighting
                is TargetWeighting.Uniform or TargetWeighting.Probability or TargetWeighting.ProbabilityVariance,
            nameof(options.TargetWeighting), options.TargetWeighting, "Uniform, Probability or ProbabilityVariance");
        Check(
            (options.Statistics & ~(LossStatistics.Accuracy | LossStatistics.Entropy)) == LossStatistics.None,
            nameof(options.Statistics), options.Statistics, "None, Accuracy, Entropy or both");
        Check(
            options.MaxDegreeOfParallelism is -1 or >= 1,
            nameof(options.MaxDegreeOfParallelism), options.MaxDegreeOfParallelism, "-1 (all cores) or at least 1");
        Check(
            options.VocabularyStart is null or (>= 0 and <= long.MaxValue - int.MaxValue),
            nameof(options.VocabularyStart), options.VocabularyStart, "from 0 to 2^63 - 2^31, or null");
        Check(options.MaxScratchBytes >= 0, nameof(options.MaxScratchBytes), options.MaxScratchBytes, "at least 0");
    }

    public static void CheckCoefficient(double ptxCoefficient)
    {
        if (!double.IsFinite(ptxCoefficient))
        {
            throw new ArgumentOutOfRangeException(nameof(ptxCoefficient), ptxCoefficient, "ptxCoefficient must be finite.");
        }
    }

    /// <summary>What the options ask of every row.</summary>
    public static RowOptions RowOptionsOf(PtxLossOptions options) => new()
    {
        LabelSmoothing = options.LabelSmoothing,
        ZLossCoefficient = options.ZLossCoefficient,
        Weighting = options.TargetWeighting switch
        {
            TargetWeighting.Probability => TokenWeighting.Probability,
            TargetWeighting.ProbabilityVariance => TokenWeighting.ProbabilityVariance,
            _ => TokenWeighting.Uniform,
        },
        WantsAccuracy = (options.Statistics & LossStatistics.Accuracy) != LossStatistics.None,
        WantsEntropy = (options.Statistics & LossStatistics.Entropy) != LossStatistics.None,
        Transform = new(options.LogitSoftCap, options.LogitScale),
        VocabularyStart = options.VocabularyStart ?? 0,
        Accumulates = options.AccumulateGradient,
        MaxDegreeOfParallelism = options.MaxDegreeOfParallelism,
    };

    /// <summary>The number of ids that a target may be.</summary>
    public static long CountIds(PtxLossOptions options, int vocabularySize)
        => options.VocabularyStart == null ? vocabularySize : long.MaxValue; // other shards have the other ids

    private static void Check<T>(bool isInRange, string option, T value, string range)
    {
        if (!isInRange)
        {
            throw new ArgumentOutOfRangeException(
                "options", value, FormattableString.Invariant($"options.{option} is {value}, but must be {range}."));
        }
    }

    private static void Refuse<T>(bool isSet, string option, T value, string needed)
    {
        if (isSet)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"options.{option} is {value}, but must be {needed}."), "options");
        }
    }
}
