using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>A factor for each token's loss that comes of the softmax of its target: what it changes, and what it does not.</summary>
public class TargetWeightingTests
{
    private const int Tokens = 6, VocabularySize = 300;
    private static readonly int[] _targets = [3, -100, 60, 0, 299, 2];
    private static readonly float[] _weights = [0.5f, float.NaN, 0, 1.5f, 0.25f, 2];
    private static readonly double[] _logits = TestData.ToDouble(TestData.Logits(Tokens * VocabularySize, seed: 4, spread: 1.5));

    public static TheoryData<TargetWeighting> Weightings => [TargetWeighting.Probability, TargetWeighting.ProbabilityVariance];

    [Theory]
    [MemberData(nameof(Weightings))]
    public void It_is_a_weight_that_neither_gradient_nor_divisor_knows_of(TargetWeighting weighting)
    {
        var options = new PtxLossOptions { LabelSmoothing = 0.1, ZLossCoefficient = 0.01, LogitSoftCap = 20, LogitScale = 1.5 };
        float[] factors = [.. Enumerable.Range(0, Tokens).Select(token => (float)FactorOf(token, weighting, options))];
        double[] gradient = new double[_logits.Length], expected = new double[_logits.Length];

        PtxLossResult actual = PtxLoss.ComputeWithGradient(
            1.5, _logits, _targets, VocabularySize, 0.3, gradient, options with { TargetWeighting = weighting }, _weights);
        PtxLossResult weighed = PtxLoss.ComputeWithGradient(
            1.5,
            _logits,
            _targets,
            VocabularySize,
            0.3,
            expected,
            options with { Denominator = PtxLoss.Denominator(_targets, null, _weights) },
            [.. factors.Zip(_weights, (factor, weight) => factor * weight)]);

        // The factors of the other call are rounded to floats.
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [weighed.LanguageModelLoss, weighed.ZLoss, weighed.Total],
            i => 2e-7 * Math.Abs(i == 1 ? weighed.ZLoss : weighed.Total));
        Closeness.ShouldBeClose(gradient, expected, i => 2e-7 * Math.Abs(expected[i]));
        actual.TokenCount.Should().Be(5);
    }

    [Theory]
    [MemberData(nameof(Weightings))]
    public void Perplexity_and_statistics_are_those_of_the_tokens(TargetWeighting weighting)
    {
        var options = new PtxLossOptions { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy };
        PtxLossResult uniform = PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options, _weights);
        foreach (PtxLossOptions reduced in new[] { options, options with { Reduction = LossReduction.Sum }, options with { Denominator = 70 } })
        {
            PtxLossResult actual = PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, reduced with { TargetWeighting = weighting }, _weights);

            (actual.Perplexity, actual.Accuracy, actual.Entropy).Should().Be((uniform.Perplexity, uniform.Accuracy, uniform.Entropy));
            actual.LanguageModelLoss.Should().NotBe(uniform.LanguageModelLoss);
        }
    }

    [Theory]
    [MemberData(nameof(Weightings))]
    public void Where_it_is_0_a_token_adds_0_even_where_its_loss_is_infinite(TargetWeighting weighting)
    {
        double[] logits = [1, double.NegativeInfinity, 2];
        AddsNothing(logits, 1, weighting, perplexity: double.PositiveInfinity);
        AddsNothing<float>([1, float.NegativeInfinity, 2], 1, weighting, perplexity: double.PositiveInfinity);
        AddsNothing<Half>([(Half)1, Half.NegativeInfinity, (Half)2], 1, weighting, perplexity: double.PositiveInfinity);
        if (weighting == TargetWeighting.ProbabilityVariance)
        {
            AddsNothing([1000, 0.0, 1], 0, weighting, perplexity: 1);
            AddsNothing<float>([1000, 0, 1], 0, weighting, perplexity: 1);
            AddsNothing([5.0], 0, weighting, perplexity: 1);
        }
    }

    /// <summary>Its probability is 1 − 8e-8, which as it is computed may be more than 1.</summary>
    [Fact]
    public void The_variance_of_a_target_that_is_almost_sure_is_not_below_0()
    {
        CheckAlmostSure(TestData.AlmostSure);
        CheckAlmostSure([.. TestData.AlmostSure.Select(x => (float)x)]);
        CheckAlmostSure([.. TestData.AlmostSure.Select(x => (Half)x)]);
    }

    private static void CheckAlmostSure<TLogit>(TLogit[] logits)
        where TLogit : unmanaged
    {
        var options = new PtxLossOptions { TargetWeighting = TargetWeighting.ProbabilityVariance, ZLossCoefficient = 0.1 };
        double[] exact = [.. logits.Select(ElementConvert.ToDouble)];
        ScalarReference expected = ScalarReference.Compute<double, int>(0, exact, [0], logits.Length, 1, options);
        TLogit[] gradient = new TLogit[logits.Length];

        PtxLossResult result = PtxLoss.ComputeWithGradient<TLogit, int>(0, logits, [0], logits.Length, 1, gradient, options);

        Bounds bounds = Bounds.Of<TLogit>();
        result.ZLoss.Should().BeGreaterThanOrEqualTo(0);
        result.LanguageModelLoss.Should().BeGreaterThanOrEqualTo(0);
        bounds.CheckLosses(result, expected, 1, options);
        bounds.CheckGradient(
            [.. gradient.Select(ElementConvert.ToDouble)],
            expected.Gradient,
            i => bounds.OfGradient(
                exact[i],
                isTarget: i == 0,
                expected.LogSumExp[0],
                scale: 1,
                Math.Abs(expected.Gradient[i]),
                logits.Length,
                options,
                share: bounds.ShareOf(expected, 0, options)));
    }

    private static void AddsNothing<TLogit>(TLogit[] logits, int target, TargetWeighting weighting, double perplexity)
        where TLogit : unmanaged
    {
        foreach (bool accumulates in new[] { false, true })
        {
            TLogit initial = ElementConvert.FromDouble<TLogit>(0.25);
            TLogit[] gradient = [.. logits.Select(_ => initial)];
            var options = new PtxLossOptions { TargetWeighting = weighting, ZLossCoefficient = 0.1, AccumulateGradient = accumulates };

            PtxLossResult result = PtxLoss.ComputeWithGradient(0.5, logits, [target], logits.Length, 1, gradient, options);

            (result.Total, result.LanguageModelLoss, result.ZLoss, result.TokenCount).Should().Be((0.5, 0, 0, 1));
            result.Perplexity.Should().Be(perplexity, "it is without the factor");
            gradient.Select(ElementConvert.ToDouble).Should().OnlyContain(g => g == (accumulates ? 0.25 : 0));
        }
    }

    [Theory]
    [MemberData(nameof(Weightings))]
    public void So_it_does_from_hidden_states(TargetWeighting weighting)
    {
        float[] hidden = [1, 2, 0.5f, -1], weight = [1, 1, 0, 2, -1, 0.5f], hiddenGradient = [7, 7, 7, 7];
        var gradients = new HiddenGradients<float> { Hidden = new TensorSpan<float>(hiddenGradient, [2, 2]) };

        PtxLossResult result = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(hidden, [2, 2]),
            new ReadOnlyTensorSpan<float>(weight, [3, 2]),
            [1, 0],
            1,
            gradients,
            new() { TargetWeighting = weighting },
            [0, float.NegativeInfinity, 0]);

        result.LanguageModelLoss.Should().Be(
            PtxLoss.ComputeFromHidden<float, int>(
                0,
                new ReadOnlyTensorSpan<float>(hidden, [2, 2]),
                new ReadOnlyTensorSpan<float>(weight, [3, 2]),
                [-100, 0],
                1,
                new() { TargetWeighting = weighting, Denominator = 2 },
                [0, float.NegativeInfinity, 0]).LanguageModelLoss);
        hiddenGradient[..2].Should().Equal(0, 0);
        hiddenGradient[2..].Should().NotContain(0);
    }

    [Theory]
    [MemberData(nameof(Weightings))]
    public void A_row_without_a_softmax_stays_NaN(TargetWeighting weighting)
    {
        double[] logits = [.. _logits], gradient = new double[logits.Length];
        logits[7] = double.NaN;

        PtxLossResult result = PtxLoss.ComputeWithGradient(0, logits, _targets, VocabularySize, 1, gradient, new() { TargetWeighting = weighting });

        (result.LanguageModelLoss, result.Total, result.Perplexity).Should().Be((double.NaN, double.NaN, double.NaN));
        gradient.AsSpan(0, VocabularySize).ToArray().Should().OnlyContain(g => double.IsNaN(g));
        gradient.AsSpan(VocabularySize).ToArray().Should().NotContain(g => double.IsNaN(g));
    }

    [Theory]
    [MemberData(nameof(Weightings))]
    public void A_batch_of_tokens_that_count_nowhere_is_the_rl_loss(TargetWeighting weighting)
    {
        var options = new PtxLossOptions { TargetWeighting = weighting };
        PtxLoss.Compute(0.5, _logits, [-100, -100, -100, -100, -100, -100], VocabularySize, 1, options).Total.Should().Be(0.5);
        PtxLossResult result = PtxLoss.Compute(0.5, _logits, _targets, VocabularySize, 1, options, new float[Tokens]);
        (result.Total, result.Perplexity, result.TokenCount).Should().Be((0.5, 1, 5));
    }

    [Fact]
    public void A_weighting_or_a_statistic_that_is_none()
    {
        foreach ((PtxLossOptions options, object value, string message) in new (PtxLossOptions, object, string)[]
        {
            (new() { TargetWeighting = (TargetWeighting)3 }, (TargetWeighting)3, "options.TargetWeighting is 3, but must be Uniform, Probability or ProbabilityVariance.*"),
            (new() { TargetWeighting = (TargetWeighting)(-1) }, (TargetWeighting)(-1), "options.TargetWeighting is -1, *"),
            (new() { Statistics = (LossStatistics)4 }, (LossStatistics)4, "options.Statistics is 4, but must be None, Accuracy, Entropy or both.*"),
            (new() { Statistics = (LossStatistics)(-1) }, (LossStatistics)(-1), "options.Statistics is -1, *"),
        })
        {
            double[] gradient = [.. Enumerable.Repeat(42.0, _logits.Length)], output = [.. Enumerable.Repeat(42.0, Tokens)];
            Action[] calls =
            [
                () => PtxLoss.ComputeWithGradient(0, _logits, _targets, VocabularySize, 1, gradient, options),
                () => PtxLoss.ComputeWithGradient(
                    0,
                    new ReadOnlyTensorSpan<double>(_logits, [Tokens, VocabularySize]),
                    new ReadOnlyTensorSpan<int>(_targets, [Tokens]),
                    1,
                    new TensorSpan<double>(gradient, [Tokens, VocabularySize]),
                    options),
                () => CrossEntropy.Forward(_logits, _targets, VocabularySize, new() { Loss = output }, options),
                () => CrossEntropy.Backward(_logits, _targets, VocabularySize, new() { LogSumExp = output }, new() { Loss = output }, gradient, options),
                () => PtxLoss.ComputeFromHidden<float, int>(0, Tensor.CreateFromShape<float>([Tokens, 2]), Tensor.CreateFromShape<float>([300, 2]), _targets, 1, options),
                () => new PtxLossAccumulator().Add(1, 2, options: options),
            ];
            foreach (Action call in calls)
            {
                call.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("options").WithMessage(message).Which.ActualValue.Should().Be(value);
            }

            gradient.Concat(output).Should().OnlyContain(x => x == 42);
        }
    }

    /// <summary>s of a token, in plain double.</summary>
    private static double FactorOf(int token, TargetWeighting weighting, PtxLossOptions options)
    {
        if (_targets[token] < 0)
        {
            return 1;
        }

        double[] row = [.. _logits[(token * VocabularySize)..((token + 1) * VocabularySize)]
            .Select(x => Math.Exp(options.LogitScale * options.LogitSoftCap * Math.Tanh(x / options.LogitSoftCap)))];
        double p = row[_targets[token]] / row.Sum();
        return weighting == TargetWeighting.Probability ? p : p * (1 - p);
    }
}
