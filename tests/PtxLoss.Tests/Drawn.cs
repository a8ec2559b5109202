using System.Globalization;
using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>What FsCheck draws, and how often; what fails is shrunk and printed with its seed.</summary>
internal static class Drawn
{
    /// <summary>By what the numbers of cases are divided in a process that has less time for them: an integer.</summary>
    internal const string Divisor = "PTXLOSS_CASES_DIVISOR";

    /// <summary>
    /// So many cases, or fewer by <see cref="Divisor"/>. In CI they are the same at each run, so that a change fails for what it
    /// changes; elsewhere they are others.
    /// </summary>
    public static Config Times(int cases)
    {
        Config config = Config.QuickThrowOnFailure.WithMaxTest(Fewer(cases));
        bool isRepeated = string.Equals(Environment.GetEnvironmentVariable("CI"), "true", StringComparison.Ordinal);
        return isRepeated ? config.WithReplay(20261125, 7) : config;
    }

    /// <summary>So many cases, or fewer by <see cref="Divisor"/>.</summary>
    public static int Fewer(int cases)
        => int.TryParse(Environment.GetEnvironmentVariable(Divisor), CultureInfo.InvariantCulture, out int divisor)
            ? Math.Max(1, cases / divisor)
            : cases;

    /// <summary>What logits are made of.</summary>
    public static Gen<string> Element
        => Gen.Elements(
            ElementNames.Float, ElementNames.Float, ElementNames.Double, ElementNames.Half, ElementNames.BFloat16);

    /// <summary>What hidden states are made of.</summary>
    public static Gen<string> ElementOfHead => Gen.Elements(ElementNames.Float, ElementNames.Half, ElementNames.BFloat16);

    public static Gen<double> Spread => Or(Gen.Elements(1.0, 3, 20), Magnitude);

    public static Gen<double> Offset => Or(Gen.Elements(0.0, 0, -100, 1000), Signed(Magnitude));

    /// <summary>How many logits of each row are masked in front.</summary>
    public static Gen<int> MaskedPrefix => Or(Gen.Constant(0), Gen.Elements(1, 1024, 2500, 40_000));

    public static Gen<double> Coefficient => Or(Gen.Elements(0.1, 1, -2), Gen.Elements(1e-300, 1e5, -1e39, 1e200));

    public static Gen<double> LabelSmoothing => OftenOff(Gen.Choose(1, 99).Select(x => x / 100.0));

    public static Gen<double> ZLossCoefficient => OftenOff(Gen.Elements(1e-4, 0.01, 0.5));

    public static Gen<double> LogitSoftCap => OftenOff(Or(Gen.Elements(0.5, 30, 50, 1e5), Magnitude));

    public static Gen<double> LogitScale
        => Or(Gen.Constant(1.0), Or(Gen.Elements(0.01, 0.1, 0.7, 2, 30), Gen.Elements(1e-4, 1e3)));

    /// <summary>What makes one number of many losses.</summary>
    public static Gen<(LossReduction Reduction, double? Denominator)> ReductionAndDenominator
        => Gen.Elements<(LossReduction, double?)>(
            (LossReduction.Mean, null), (LossReduction.Sum, null), (LossReduction.Mean, 7.5));

    public static Gen<int> Threads => Gen.Elements(1, 2, 1000, -1);

    public static Gen<TargetWeighting> Weighting
        => Gen.Frequency(
            (2, Gen.Constant(TargetWeighting.Uniform)),
            (2, Gen.Elements(TargetWeighting.Probability, TargetWeighting.ProbabilityVariance)));

    public static Gen<LossStatistics> Statistics => Gen.Choose(0, 3).Select(flags => (LossStatistics)flags);

    /// <summary>
    /// How many ids each token has in place of a target, 0 for a target: now and then more than the stack has room for.
    /// </summary>
    public static Gen<int> IdsPerToken
        => Gen.Frequency((10, Gen.Constant(0)), (5, Gen.Choose(1, 8)), (4, Gen.Choose(9, 80)), (1, Gen.Choose(1025, 1100)));

    /// <summary>From the smallest float to the largest.</summary>
    public static Gen<double> Magnitude => Gen.Choose(-400, 385).Select(tenths => Math.Pow(10, tenths / 10.0));

    public static Gen<double> Signed(Gen<double> sizes)
        => from size in sizes from isNegative in Gen.Elements(false, true) select isNegative ? -size : size;

    /// <summary>Whether numbers are such as no model has, and how far off a result may be is a matter of its own.</summary>
    public static bool IsFarOut(double spread, double offset, double cap, double scale, double coefficient)
        => spread is < 0.1 or > 100 || Math.Abs(offset) > 1e4 || cap is (> 0 and < 0.1) or > 1e6 || scale is < 0.1 or > 30
            || Math.Abs(coefficient) is < 0.01 or > 100;

    public static Gen<double> OftenOff(Gen<double> on) => Gen.Frequency((1, Gen.Constant(0.0)), (1, on));

    /// <summary>Mostly what a model has, now and then what only an attack has.</summary>
    public static Gen<T> Or<T>(Gen<T> often, Gen<T> rarely) => Gen.Frequency((3, often), (1, rarely));
}
