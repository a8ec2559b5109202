using System.Numerics.Tensors;
using System.Reflection;

namespace PtxLosses.Tests;

/// <summary>Every option in every kind of call: it is honoured, has no meaning and does no harm, or is refused by name.</summary>
public class RefusedOptionTests
{
    private const float Untouched = 42;

    /// <summary>Each option at a value that is not its default.</summary>
    private static readonly Dictionary<string, PtxLossOptions> _options = new(StringComparer.Ordinal)
    {
        [nameof(PtxLossOptions.IgnoreIndex)] = new() { IgnoreIndex = 1 },
        [nameof(PtxLossOptions.Reduction)] = new() { Reduction = LossReduction.Sum },
        [nameof(PtxLossOptions.Denominator)] = new() { Denominator = 5 },
        [nameof(PtxLossOptions.ShiftTargets)] = new() { ShiftTargets = true },
        [nameof(PtxLossOptions.LabelSmoothing)] = new() { LabelSmoothing = 0.1 },
        [nameof(PtxLossOptions.ZLossCoefficient)] = new() { ZLossCoefficient = 0.1 },
        [nameof(PtxLossOptions.LogitScale)] = new() { LogitScale = 0.5 },
        [nameof(PtxLossOptions.LogitSoftCap)] = new() { LogitSoftCap = 5 },
        [nameof(PtxLossOptions.TargetWeighting)] = new() { TargetWeighting = TargetWeighting.Probability },
        [nameof(PtxLossOptions.Statistics)] = new() { Statistics = LossStatistics.Accuracy },
        [nameof(PtxLossOptions.AccumulateGradient)] = new() { AccumulateGradient = true },
        [nameof(PtxLossOptions.MaxDegreeOfParallelism)] = new() { MaxDegreeOfParallelism = 1 },
        [nameof(PtxLossOptions.VocabularyStart)] = new() { VocabularyStart = 0 },
        [nameof(PtxLossOptions.MaxScratchBytes)] = new() { MaxScratchBytes = 8 << 20 },
    };

    private static readonly string[] _refusedForSoft =
        ["ShiftTargets", "VocabularyStart", "LabelSmoothing", "TargetWeighting", "Statistics"];

    private static readonly Dictionary<string, Call> _calls = new(StringComparer.Ordinal)
    {
        ["Compute"] = new(
            (x, options) => PtxLoss.Compute(0, x.Logits, x.Targets, 4, 1, options), ["ShiftTargets", "VocabularyStart"]),
        ["ComputeWithGradient"] = new(
            (x, options) => PtxLoss.ComputeWithGradient(0, x.Logits, x.Targets, 4, 1, x.Gradient, options),
            ["ShiftTargets", "VocabularyStart"]),
        ["Compute over tensors"] = new(
            (x, options) => PtxLoss.Compute(0, x.LogitsTensor, x.TargetsTensor, 1, options), ["VocabularyStart"]),
        ["ComputeWithGradient over tensors"] = new(
            (x, options) => PtxLoss.ComputeWithGradient(0, x.LogitsTensor, x.TargetsTensor, 1, x.GradientTensor, options),
            ["VocabularyStart"]),
        ["ComputeFromHidden"] = new(
            (x, options) => PtxLoss.ComputeFromHidden<float, int>(0, x.LogitsTensor, x.LogitsTensor, x.Targets, 1, options),
            ["ShiftTargets", "VocabularyStart"]),
        ["ComputeFromHiddenWithGradient"] = new(
            (x, options) => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
                0, x.LogitsTensor, x.LogitsTensor, x.Targets, 1, new() { Hidden = x.GradientTensor }, options),
            ["ShiftTargets", "VocabularyStart"]),
        ["Forward"] = new(
            (x, options) => CrossEntropy.Forward(x.Logits, x.Targets, 4, new() { LogSumExp = x.Outputs }, options),
            ["ShiftTargets", "Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["Backward"] = new(
            (x, options) => CrossEntropy.Backward(
                x.Logits, x.Targets, 4, new() { LogSumExp = x.Outputs }, new() { Loss = x.Outputs }, x.Gradient, options),
            ["ShiftTargets", "Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["Forward over tensors"] = new(
            (x, options) => CrossEntropy.Forward(x.LogitsTensor, x.TargetsTensor, new() { LogSumExp = x.Outputs }, options),
            ["Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["Backward over tensors"] = new(
            (x, options) => CrossEntropy.Backward(
                x.LogitsTensor,
                x.TargetsTensor,
                new() { LogSumExp = x.Outputs },
                new() { Loss = x.Outputs },
                x.GradientTensor,
                options),
            ["Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["ForwardFromHidden"] = new(
            (x, options) => CrossEntropy.ForwardFromHidden(
                x.LogitsTensor, x.LogitsTensor, x.Targets, new() { LogSumExp = x.Outputs }, options),
            ["ShiftTargets", "Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["BackwardFromHidden"] = new(
            (x, options) => CrossEntropy.BackwardFromHidden(
                x.LogitsTensor,
                x.LogitsTensor,
                x.Targets,
                new() { LogSumExp = x.Outputs },
                new() { Loss = x.Outputs },
                new() { Hidden = x.GradientTensor },
                options),
            ["ShiftTargets", "Reduction", "Denominator", "ZLossCoefficient", "TargetWeighting", "Statistics"]),
        ["Compute of soft targets"] = new(
            (x, options) => PtxLoss.Compute(0, x.Logits, x.SoftTargets, 4, 1, options), _refusedForSoft),
        ["ComputeWithGradient of soft targets"] = new(
            (x, options) => PtxLoss.ComputeWithGradient(0, x.Logits, x.SoftTargets, 4, 1, x.Gradient, options), _refusedForSoft),
        ["ComputeFromHidden of soft targets"] = new(
            (x, options) => PtxLoss.ComputeFromHidden(0, x.LogitsTensor, x.LogitsTensor, x.SoftTargets, 1, options),
            _refusedForSoft),
        ["ComputeFromHiddenWithGradient of soft targets"] = new(
            (x, options) => PtxLoss.ComputeFromHiddenWithGradient(
                0, x.LogitsTensor, x.LogitsTensor, x.SoftTargets, 1, new() { Hidden = x.GradientTensor }, options),
            _refusedForSoft),
        ["Denominator of soft targets"] = new((x, options) => PtxLoss.Denominator(x.SoftTargets, options), ["ShiftTargets"]),
        ["Denominator"] = new((x, options) => PtxLoss.Denominator(x.Targets, options), ["ShiftTargets"]),
        ["Denominator of a tensor"] = new((x, options) => PtxLoss.Denominator(x.TargetsTensor, options), []),
        ["Add"] = new((_, options) => new PtxLossAccumulator().Add(1, 2, options: options), []),
    };

    public static TheoryData<string> Calls => [.. _calls.Keys];

    [Theory]
    [MemberData(nameof(Calls))]
    public void An_option_without_a_meaning_is_refused_by_name_and_no_other(string call)
    {
        (Action<Memory, PtxLossOptions> run, string[] refuses) = _calls[call];
        foreach ((string option, PtxLossOptions options) in _options)
        {
            var memory = new Memory();
            Action act = () => run(memory, options);
            if (refuses.Contains(option))
            {
                act.Should().Throw<ArgumentException>(option).WithParameterName("options").WithMessage(
                    $"options.{option} is *, but must be *");
                memory.IsUntouched.Should().BeTrue(option);
            }
            else
            {
                act.Should().NotThrow("{0} means something, or does no harm, in {1}", option, call);
            }
        }
    }

    [Fact]
    public void Every_option_is_tried()
        => _options.Keys.Should().BeEquivalentTo(
            typeof(PtxLossOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name));

    [Theory]
    [MemberData(nameof(Calls))]
    public void A_sum_has_no_denominator(string call)
    {
        var options = new PtxLossOptions { Reduction = LossReduction.Sum, Denominator = 3 };
        var memory = new Memory();
        Action act = () => _calls[call].Run(memory, options);
        if (call.StartsWith("Denominator", StringComparison.Ordinal))
        {
            act.Should().NotThrow("that call reads neither");
            return;
        }

        act.Should().Throw<ArgumentException>().WithParameterName("options").WithMessage("options.*, but must be *");
        memory.IsUntouched.Should().BeTrue();
    }

    private sealed record Call(Action<Memory, PtxLossOptions> Run, string[] Refuses);

    private sealed class Memory
    {
        public float[] Logits { get; } = TestData.Logits(12, seed: 1);

        public int[] Targets { get; } = [0, 1, 2];

        public int[] Ids { get; } = [0, 1, 1, 2, 2, 0];

        public SoftTargets<int> SoftTargets => new(Ids, [0.5f, 0.5f, 1, 0.25f, 0, 1], idsPerToken: 2);

        public float[] Gradient { get; } = [.. Enumerable.Repeat(Untouched, 12)];

        public double[] Outputs { get; } = [Untouched, Untouched, Untouched];

        public ReadOnlyTensorSpan<float> LogitsTensor => new(Logits, [3, 4]);

        public ReadOnlyTensorSpan<int> TargetsTensor => new(Targets, [3]);

        public TensorSpan<float> GradientTensor => new(Gradient, [3, 4]);

        public bool IsUntouched => Gradient.All(x => x == Untouched) && Outputs.All(x => x == Untouched);
    }
}
