using OptionCase = (PtxLosses.PtxLossOptions Options, bool HasWeights, bool HasMasks);

namespace PtxLosses.Torch.Tests;

/// <summary>Options, alone and together.</summary>
internal static class OptionCases
{
    private static readonly Dictionary<string, OptionCase> _cases = new(StringComparer.Ordinal)
    {
        ["none"] = (new(), false, false),
        ["masks"] = (new() { Statistics = LossStatistics.Entropy | LossStatistics.Accuracy }, false, true),
        ["sum"] = (new() { Reduction = LossReduction.Sum }, false, false),
        ["denominator"] = (new() { Denominator = 40 }, true, false),
        ["weights"] = (new(), true, false),
        ["scale"] = (new() { LogitScale = 1.7 }, false, false),
        ["cap"] = (new() { LogitSoftCap = 2.5 }, false, true),
        ["smoothing"] = (new() { LabelSmoothing = 0.2 }, false, false),
        ["smoothing over masks"] = (new() { LabelSmoothing = 0.2 }, true, true),
        ["z-loss"] = (new() { ZLossCoefficient = 0.03 }, false, false),
        ["probability"] = (new() { TargetWeighting = TargetWeighting.Probability }, false, false),
        ["variance"] = (new() { TargetWeighting = TargetWeighting.ProbabilityVariance }, true, true),
        ["statistics"] = (new() { Statistics = LossStatistics.Entropy | LossStatistics.Accuracy }, true, false),
        ["shift"] = (new() { ShiftTargets = true }, true, false),
        ["shift, nothing ignored"] = (new() { ShiftTargets = true, IgnoreIndex = null }, false, false),
        ["another ignored id"] = (new() { IgnoreIndex = 5 }, false, false),
        ["nothing ignored"] = (new() { IgnoreIndex = null }, false, false),
        ["one thread"] = (new() { MaxDegreeOfParallelism = 1 }, false, false),
        ["all"] = (
            new()
            {
                LogitScale = 0.8,
                LogitSoftCap = 4,
                LabelSmoothing = 0.1,
                ZLossCoefficient = 0.02,
                TargetWeighting = TargetWeighting.Probability,
                ShiftTargets = true,
                Statistics = LossStatistics.Entropy | LossStatistics.Accuracy,
            },
            true,
            true),
    };

    public static IEnumerable<string> Names => _cases.Keys;

    public static OptionCase Of(string name) => _cases[name];
}
