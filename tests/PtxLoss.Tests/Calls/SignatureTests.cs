using System.Numerics;
using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>The calls that users write must compile, with any integer type of target and any form of memory.</summary>
public class SignatureTests
{
    private static readonly float[] _logits = [1, 2, 3, 4, 5, 6];
    private static readonly double _expected = ScalarReference.Compute<float, int>(1, _logits, [2, 0], 3, 0.1).Total;

    [Fact]
    public void Every_integer_type_of_target()
    {
        Total<sbyte>();
        Total<byte>();
        Total<short>();
        Total<ushort>();
        Total<int>();
        Total<uint>();
        Total<long>();
        Total<ulong>();
        Total<nint>();
        Total<nuint>();
        Total<Int128>();
        Total<UInt128>();

        static void Total<TTarget>()
            where TTarget : unmanaged, IBinaryInteger<TTarget>
            => PtxLoss.Compute(1, _logits, [TTarget.CreateChecked(2), TTarget.Zero], 3, 0.1).Total
                .ShouldBeTheLoss(_expected, typeof(TTarget).Name);
    }

    [Fact]
    public void Targets_beyond_long_are_out_of_range_with_their_own_value()
    {
        Action unsigned = () => PtxLoss.Compute(1, _logits, [0UL, ulong.MaxValue], 3, 0.1);
        Action wide = () => PtxLoss.Compute(1, _logits, [Int128.MinValue, 0], 3, 0.1);

        unsigned.Should().Throw<ArgumentException>().WithMessage("targets[1] is 18446744073709551615, *");
        wide.Should().Throw<ArgumentException>().WithMessage("targets[0] is -170141183460469231731687303715884105728, *");
    }

    [Fact]
    public void Arrays_spans_and_named_arguments()
    {
        int[] targets = [2, 0];
        float[] gradient = new float[6];
        Span<float> logitsSpan = [.. _logits];
        ReadOnlySpan<int> targetsSpan = targets;
        var options = new PtxLossOptions { IgnoreIndex = null };

        PtxLossResult[] results =
        [
            PtxLoss.Compute(1, _logits, targets, 3, 0.1),
            PtxLoss.Compute(
                rlLoss: 1, logits: _logits, targets: targets, vocabularySize: 3, ptxCoefficient: 0.1, options: options),
            PtxLoss.Compute(1.0, logitsSpan, targetsSpan, 3, 0.1f, null),
            PtxLoss.Compute(1.0, _logits.AsMemory().Span, targets.AsSpan(), vocabularySize: 3, ptxCoefficient: 0.1),
            PtxLoss.Compute(1, [1f, 2f, 3f, 4f, 5f, 6f], [2, 0], 3, 0.1),
            PtxLoss.ComputeWithGradient(1, _logits, targets, 3, 0.1, gradient),
            PtxLoss.ComputeWithGradient(
                1, _logits, targetsSpan, vocabularySize: 3, ptxCoefficient: 0.1, logitsGradient: gradient.AsSpan()),
            PtxLoss.ComputeWithGradient(1, logitsSpan, targetsSpan, 3, 0.1, logitsSpan),
        ];

        results.Should().AllSatisfy(result => result.Total.Should().BeApproximately(_expected, 1e-6));
    }

    [Fact]
    public void Soft_targets()
    {
        int[] ids = [2, 0];
        float[] probabilities = [1, 1], gradient = new float[6], weights = [1, 1];
        ReadOnlySpan<float> logitsSpan = _logits;
        var targets = new SoftTargets<int>(ids, probabilities, idsPerToken: 1);

        PtxLossResult[] results =
        [
            PtxLoss.Compute(1, _logits, targets, 3, 0.1),
            PtxLoss.Compute(1, _logits, new SoftTargets<long>([2, 0], [1, 1], 1), 3, 0.1),
            PtxLoss.Compute(
                rlLoss: 1,
                logits: logitsSpan,
                targets: targets,
                vocabularySize: 3,
                ptxCoefficient: 0.1,
                options: null,
                tokenWeights: weights),
            PtxLoss.ComputeWithGradient(1, _logits, targets, 3, 0.1, gradient),
            PtxLoss.ComputeWithGradient(1, logitsSpan, targets, 3, 0.1, gradient.AsSpan(), new() { IgnoreIndex = null }, weights),
            PtxLoss.ComputeWithGradient(
                1, [1f, 2f, 3f, 4f, 5f, 6f], targets, vocabularySize: 3, ptxCoefficient: 0.1, logitsGradient: gradient),
        ];

        results.Should().AllSatisfy(result => result.Total.Should().BeApproximately(_expected, 1e-6));
        PtxLoss.Denominator(targets).Should().Be(2);
        PtxLoss.Denominator(targets, new() { IgnoreIndex = 0 }, weights).Should().Be(1);
        PtxLoss.Denominator(new SoftTargets<ushort>([2, 0], [1, 1], 1)).Should().Be(2);
    }

    [Fact]
    public void Hidden_states_in_tensor_spans()
    {
        HeadForms<float>([.. _logits]);
        HeadForms([.. _logits.Select(x => (Half)x)]);
        HeadForms([.. _logits.Select(x => (BFloat16)x)]);
    }

    [Fact]
    public void Hidden_states_in_tensors()
    {
        HeadTensorForms<float>([.. _logits]);
        HeadTensorForms([.. _logits.Select(x => (Half)x)]);
        HeadTensorForms([.. _logits.Select(x => (BFloat16)x)]);
    }

    private static void HeadForms<TElement>(TElement[] states)
        where TElement : unmanaged
    {
        ReadOnlyTensorSpan<TElement> hidden = new(states, [2, 3]), weight = new(states, [2, 3]);
        TElement[] bias = new TElement[2], ofHidden = new TElement[6];
        float[] ofWeight = new float[6], ofBias = new float[2], weights = [1, 1];
        double[] values = new double[2], ones = [1, 1];
        int[] targets = [1, 0];
        ReadOnlySpan<long> targetsSpan = [1, 0];
        var soft = new SoftTargets<int>(targets, [1, 1], 1);
        var gradients = new HiddenGradients<TElement>
        {
            Hidden = new TensorSpan<TElement>(ofHidden, [2, 3]),
            Weight = new TensorSpan<float>(ofWeight, [2, 3]),
            Bias = ofBias,
        };

        PtxLossResult[] results =
        [
            PtxLoss.ComputeFromHidden(1, hidden, weight, targets, 0.1),
            PtxLoss.ComputeFromHidden(1, in hidden, in weight, targetsSpan, 0.1, null, bias, weights),
            PtxLoss.ComputeFromHidden(
                rlLoss: 1, hidden: hidden, weight: weight, targets: targets, ptxCoefficient: 0.1, bias: bias),
            PtxLoss.ComputeFromHidden(1, hidden, weight, soft, 0.1, new(), bias.AsSpan(), weights),
            PtxLoss.ComputeFromHiddenWithGradient(1, hidden, weight, targets, 0.1, gradients),
            PtxLoss.ComputeFromHiddenWithGradient(
                1, hidden, weight, targetsSpan, 0.1, new() { Hidden = new TensorSpan<TElement>(ofHidden, [2, 3]) }),
            PtxLoss.ComputeFromHiddenWithGradient(1, hidden, weight, soft, 0.1, new() { Bias = ofBias }, tokenWeights: weights),
            PtxLoss.ComputeFromHiddenWithGradient(
                1, new TensorSpan<TElement>(states, [2, 3]), weight, targets, 0.1, gradients, bias: bias),
        ];
        results.Should().AllSatisfy(result => result.Total.Should().Be(results[0].Total));

        CrossEntropy.ForwardFromHidden(hidden, weight, targets, new() { Loss = values });
        CrossEntropy.ForwardFromHidden(
            hidden, weight, targetsSpan, new() { LogSumExp = values }, new() { VocabularyStart = 0 }, bias);
        CrossEntropy.ForwardFromHidden(
            hidden: hidden, weight: weight, targets: targets, outputs: new() { LogSumExp = values }, bias: bias);
        CrossEntropy.BackwardFromHidden(hidden, weight, targets, new() { LogSumExp = values }, new() { Loss = ones }, gradients);
        CrossEntropy.BackwardFromHidden(
            hidden,
            weight,
            targetsSpan,
            new() { LogSumExp = values },
            new() { Loss = ones },
            new() { Hidden = new TensorSpan<TElement>(ofHidden, [2, 3]) },
            null,
            bias);
        CrossEntropy.BackwardFromHidden(
            hidden: hidden,
            weight: weight,
            targets: targets,
            forward: new() { LogSumExp = values },
            gradients: new() { LogSumExp = ones },
            hiddenGradients: gradients,
            bias: bias);
    }

    private static void HeadTensorForms<TElement>(TElement[] states)
        where TElement : unmanaged
    {
        Tensor<TElement> hidden = Tensor.Create(states, [2, 3]), weight = Tensor.Create(states, [2, 3]);
        Tensor<TElement> ofHidden = Tensor.CreateFromShape<TElement>([2, 3]);
        Tensor<float> ofWeight = Tensor.CreateFromShape<float>([2, 3]);
        TElement[] bias = new TElement[2];
        float[] weights = [1, 1];
        double[] values = new double[2], ones = [1, 1];
        int[] targets = [1, 0];
        var soft = new SoftTargets<int>(targets, [1, 1], 1);
        var gradients = new HiddenGradients<TElement> { Hidden = ofHidden, Weight = ofWeight };

        PtxLossResult[] results =
        [
            PtxLoss.ComputeFromHidden(1, hidden, weight, targets, 0.1),
            PtxLoss.ComputeFromHidden(1, hidden, weight, targets.AsSpan(), 0.1, null, bias, weights),
            PtxLoss.ComputeFromHidden(1, hidden, weight, soft, 0.1, null, bias),
            PtxLoss.ComputeFromHiddenWithGradient(1, hidden, weight, targets, 0.1, gradients),
            PtxLoss.ComputeFromHiddenWithGradient(
                1, hidden, weight, targets, 0.1, new() { Hidden = ofHidden, Weight = ofWeight }, null, bias, weights),
            PtxLoss.ComputeFromHiddenWithGradient(1, hidden, weight, soft, 0.1, new() { Weight = ofWeight }),
        ];
        results.Should().AllSatisfy(result => result.Total.Should().Be(results[0].Total));

        CrossEntropy.ForwardFromHidden(hidden, weight, targets, new() { Loss = values });
        CrossEntropy.ForwardFromHidden(hidden, weight, targets, new() { LogSumExp = values }, new(), bias);
        CrossEntropy.BackwardFromHidden(hidden, weight, targets, new() { LogSumExp = values }, new() { Loss = ones }, gradients);
        CrossEntropy.BackwardFromHidden(
            hidden,
            weight,
            targets,
            new() { LogSumExp = values },
            new() { Loss = ones },
            new() { Hidden = ofHidden, Weight = ofWeight },
            new(),
            bias);
        Action missing = () => CrossEntropy.ForwardFromHidden(hidden, (Tensor<TElement>)null!, targets, default);
        missing.Should().Throw<ArgumentNullException>().WithParameterName("weight");
    }

    [Fact]
    public void Options_results_and_sums()
    {
        var options = new PtxLossOptions
        {
            TargetWeighting = TargetWeighting.ProbabilityVariance,
            Statistics = LossStatistics.Accuracy | LossStatistics.Entropy,
        };
        PtxLossResult result = PtxLoss.Compute(1, _logits, [2, 0], 3, 0.1, options);
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(lossSum: 3, weightSum: 2, zLossSum: 0, tokenCount: 2, correctSum: 1, entropySum: 0.5, options: options);
        accumulator.Add(3, 2, 0, 2, 1, 0.5, options);
        accumulator.Add(result);

        (double? accuracy, double? entropy) = (accumulator.ToResult(0, 1).Accuracy, result.Entropy);
        accuracy.Should().Be(0.5);
        entropy.Should().BePositive();
        (accumulator.CorrectSum, accumulator.EntropySum).Should().Be((3, 1 + (2 * entropy!.Value)));
        (PtxLossOptions.Default.TargetWeighting, PtxLossOptions.Default.Statistics).Should().Be(
            (TargetWeighting.Uniform, LossStatistics.None));
    }
}
