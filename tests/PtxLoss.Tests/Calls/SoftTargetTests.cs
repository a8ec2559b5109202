using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>Soft targets: what they mean, what of them is read, and what is refused.</summary>
public class SoftTargetTests
{
    private const float Untouched = 42;
    private static readonly float[] _logits = TestData.Logits(3 * 5, seed: 1);
    private static readonly int[] _ids = [4, 0, 1, 3, 2, 2];
    private static readonly float[] _probabilities = [0.5f, 0.25f, 0, 1, 0.5f, 0.75f];
    private readonly float[] _gradient = [.. Enumerable.Repeat(Untouched, 3 * 5)];

    [Fact]
    public void Targets_that_are_sure_are_hard_targets()
    {
        int[] targets = [3, -100, 1], ids = [3, 2, -100, -100, -100, 1];
        float[] probabilities = [1, 0, float.NaN, float.NaN, float.NaN, 1], ofSoft = new float[15], ofHard = new float[15];
        foreach (PtxLossOptions options in new PtxLossOptions[]
        {
            new(), new() { ZLossCoefficient = 0.1, LogitSoftCap = 4, Denominator = 9 },
        })
        {
            PtxLoss.ComputeWithGradient(0, _logits, new SoftTargets<int>(ids, probabilities, 2), 5, 1, ofSoft, options)
                .Should().Be(PtxLoss.ComputeWithGradient(0, _logits, targets, 5, 1, ofHard, options));
            ofSoft.ShouldBeIdentical(ofHard);
        }
    }

    [Fact]
    public void Repeated_ids_add_up()
    {
        float[] together = new float[5], apart = new float[5];

        PtxLossResult one = PtxLoss.ComputeWithGradient(
            0, _logits.AsSpan(0, 5), new SoftTargets<int>([3], [0.75f], 1), 5, 1, together);
        PtxLossResult three = PtxLoss.ComputeWithGradient(
            0, _logits.AsSpan(0, 5), new SoftTargets<int>([3, 1, 3, 3], [0.25f, 0, 0.375f, 0.125f], 4), 5, 1, apart);

        three.LanguageModelLoss.Should().BeApproximately(one.LanguageModelLoss, 1e-15);
        apart.ShouldBeIdentical(together);
    }

    [Fact]
    public void The_order_of_ids_is_of_no_account()
    {
        const int ids = 60, vocabularySize = 300;
        float[] logits = TestData.Logits(vocabularySize, seed: 2), expected = new float[vocabularySize];
        float[] actual = new float[vocabularySize];
        int[] order = [.. Enumerable.Range(0, ids).Select(i => 5 * i)];
        float[] probabilities = [.. order.Select(id => 1f / (1 + id))];
        PtxLoss.ComputeWithGradient(0, logits, new SoftTargets<int>(order, probabilities, ids), vocabularySize, 1, expected);

        new Random(1).Shuffle(order);
        float[] shuffled = [.. order.Select(id => 1f / (1 + id))];
        PtxLoss.ComputeWithGradient(0, logits, new SoftTargets<int>(order, shuffled, ids), vocabularySize, 1, actual);

        actual.Zip(expected).Should().OnlyContain(pair => Math.Abs(pair.First - pair.Second) <= 1e-7);
    }

    [Fact]
    public void A_distribution_of_the_model_itself_has_its_entropy_as_loss_and_gradient_0()
    {
        double[] logits = TestData.ToDouble(TestData.Logits(1000, seed: 3)), gradient = new double[1000];
        double[] logSumExp = new double[1];
        CrossEntropy.Forward(logits, [0], 1000, new() { LogSumExp = logSumExp });
        float[] probabilities = [.. logits.Select(z => (float)Math.Exp(z - logSumExp[0]))];

        PtxLossResult result = PtxLoss.ComputeWithGradient(
            0,
            logits,
            new SoftTargets<int>([.. Enumerable.Range(0, 1000)], probabilities, 1000),
            1000,
            1,
            gradient,
            new() { Statistics = LossStatistics.Entropy });

        result.LanguageModelLoss.Should().BeApproximately(result.Entropy!.Value, 1e-6);
        gradient.Should().OnlyContain(g => Math.Abs(g) < 1e-8);
    }

    [Fact]
    public void Probabilities_of_0_add_nothing_wherever_they_are()
    {
        float[] logits = [1, float.NegativeInfinity, 2], gradient = new float[3];
        double expected = Math.Log(Math.Exp(1) + Math.Exp(2)) - 1;

        PtxLoss.ComputeWithGradient(
            0, logits, new SoftTargets<int>([0, 1], [1, 0], 2), 3, 1, gradient).LanguageModelLoss.ShouldBeTheLoss(expected);
        gradient[1].Should().Be(0);
        PtxLoss.ComputeWithGradient(
            0, logits, new SoftTargets<int>([0, 1], [0, 0], 2), 3, 1, gradient).LanguageModelLoss.Should().Be(0);
        gradient.Should().OnlyContain(g => g == 0);
        PtxLoss.ComputeWithGradient(0, logits, new SoftTargets<int>([0, 1], [0.5f, 0.5f], 2), 3, 1, gradient).LanguageModelLoss
            .Should().Be(double.PositiveInfinity);
        gradient[1].Should().Be(-0.5f);
        gradient.Should().NotContain(g => float.IsNaN(g));
    }

    [Fact]
    public void The_divisor_is_the_weight_of_tokens_that_have_an_id_whatever_its_probability()
    {
        int[] ids = [-100, 3, -100, -100, 0, 1];
        float[] probabilities = [float.NaN, 0, float.NaN, float.NaN, 5, 5], weights = [0.5f, float.NaN, 2];
        var targets = new SoftTargets<int>(ids, probabilities, 2);

        PtxLoss.Denominator(targets).Should().Be(2);
        PtxLoss.Denominator(targets, null, weights).Should().Be(2.5);
        PtxLoss.Compute(0, _logits, targets, 5, 1, null, weights).TokenCount.Should().Be(2);
        PtxLoss.Denominator(default(SoftTargets<int>)).Should().Be(0);
    }

    [Fact]
    public void Rows_that_count_nowhere_are_not_read()
    {
        float[] logits = [.. _logits], weights = [0, 1, float.NaN];
        logits.AsSpan(0, 5).Fill(float.NaN);
        logits.AsSpan(10, 5).Fill(float.NaN);
        int[] ids = [4, 0, 1, 3, -100, -100];
        float[] probabilities = [0.5f, 0.25f, 0, 1, float.NaN, float.NegativeInfinity];

        PtxLossResult result = PtxLoss.ComputeWithGradient(
            0, logits, new SoftTargets<int>(ids, probabilities, 2), 5, 1, _gradient, null, weights);

        result.TokenCount.Should().Be(2);
        result.LanguageModelLoss.ShouldBeTheLoss(
            ScalarReference.Compute<float, int>(0, _logits.AsSpan(5, 5), [3], 5, 1).LanguageModelLoss);
        _gradient[..5].Concat(_gradient[10..]).Should().OnlyContain(g => g == 0);
    }

    [Fact]
    public void No_tokens()
    {
        PtxLoss.Compute(0.5, ReadOnlySpan<float>.Empty, new SoftTargets<int>([], [], 7), 5, 1).Total.Should().Be(0.5);
        PtxLoss.Compute(0.5, ReadOnlySpan<float>.Empty, default(SoftTargets<int>), 5, 1).Total.Should().Be(0.5);
        new SoftTargets<int>([1, 2, 3, 4], [0, 0, 0, 0], 2).Tokens.Should().Be(2);
        default(SoftTargets<int>).Tokens.Should().Be(0);
    }

    [Theory]
    [InlineData(6, 6, 0, "idsPerToken", "idsPerToken must be at least 1.")]
    [InlineData(6, 6, -2, "idsPerToken", "idsPerToken must be at least 1.")]
    [InlineData(5, 5, 2, "ids", "ids has length 5, which is no multiple of idsPerToken, 2.")]
    [InlineData(6, 5, 2, "probabilities", "probabilities has length 5, but must have 6, one per id.")]
    [InlineData(0, 2, 2, "probabilities", "probabilities has length 2, but must have 0, one per id.")]
    public void Lengths_that_do_not_fit(int ids, int probabilities, int idsPerToken, string parameter, string message)
    {
        Action act = () => _ = new SoftTargets<int>(new int[ids], new float[probabilities], idsPerToken);

        ArgumentException thrown =
            act.Should().Throw<ArgumentException>().WithParameterName(parameter).WithMessage($"{message}*").Which;
        if (thrown is ArgumentOutOfRangeException outOfRange)
        {
            outOfRange.ActualValue.Should().Be(idsPerToken);
        }
    }

    [Fact]
    public void Tokens_and_logits_that_do_not_fit()
    {
        Rejects(_ids[..4], _probabilities[..4], "logits", "logits holds 15 values, but 2 targets × vocabularySize 5 need 10");
        Rejects([], [], "targets", "targets is empty, but logits holds 15 values");
        Action head = () => PtxLoss.ComputeFromHidden<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(_logits, [3, 5]),
            new ReadOnlyTensorSpan<float>(_logits, [3, 5]),
            new SoftTargets<int>(_ids, _probabilities, 3),
            1);
        head.Should().Throw<ArgumentException>().WithParameterName("targets").WithMessage(
            "targets has length 2, but hidden of shape [3, 5] needs one per token.*");
    }

    [Theory]
    [InlineData(5)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void An_id_outside_the_vocabulary(int id)
    {
        ArgumentException thrown = Rejects(
            [-100, 0, 1, id, 2, 2],
            _probabilities,
            "targets",
            $"targets.Ids[3], of token 1, is {id}, which is outside [0, 5) and is not the ignored -100.");
        ((ArgumentOutOfRangeException)thrown).ActualValue.Should().Be(id);
    }

    [Theory]
    [InlineData(-1e-30f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void A_probability_that_is_none(float probability)
    {
        float[] spoilt = [float.NaN, 0.25f, 0, 1, probability, 0.75f];
        ArgumentException thrown = Rejects(
            [-100, 0, 1, 3, 2, 2],
            spoilt,
            "targets",
            FormattableString.Invariant(
                $"targets.Probabilities[4], of token 2, is {probability}, but must be finite and at least 0."));
        ((ArgumentOutOfRangeException)thrown).ActualValue.Should().Be(probability);
        Action denominator = () => PtxLoss.Denominator(new SoftTargets<int>([-100, 0, 1, 3, 2, 2], spoilt, 2));
        denominator.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("targets").WithMessage(
            "targets.Probabilities[4], *");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(6)]
    public void A_weight_is_of_a_token_not_of_an_id(int length)
        => Rejects(
            _ids,
            _probabilities,
            "tokenWeights",
            $"tokenWeights has length {length}, but must have 3, one per target, or be empty.",
            tokenWeights: new float[length]);

    [Fact]
    public void What_has_no_meaning_without_one_target()
    {
        Rejects(
            _ids,
            _probabilities,
            "options",
            "options.LabelSmoothing is 0.1, but must be 0 with soft targets",
            new() { LabelSmoothing = 0.1 });
        Rejects(
            _ids,
            _probabilities,
            "options",
            "options.TargetWeighting is Probability, but must be Uniform with soft targets",
            new() { TargetWeighting = TargetWeighting.Probability });
        Rejects(
            _ids,
            _probabilities,
            "options",
            "options.Statistics is Accuracy, Entropy, but must be without Accuracy",
            new() { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy });
        Rejects(
            _ids,
            _probabilities,
            "options",
            "options.VocabularyStart is 0, but must be null here",
            new() { VocabularyStart = 0 });
        Rejects(
            _ids, _probabilities, "options", "options.ShiftTargets is true, but must be false", new() { ShiftTargets = true });
    }

    [Fact]
    public void A_gradient_over_ids_or_probabilities()
    {
        float[] memory = new float[21];
        Action ids = () => PtxLoss.ComputeWithGradient(
            0,
            _logits,
            new SoftTargets<int>(MemoryMarshal.Cast<float, int>(memory.AsSpan(0, 6)), _probabilities, 2),
            5,
            1,
            memory.AsSpan(5, 15));
        Action probabilities = () => PtxLoss.ComputeWithGradient(
            0, _logits, new SoftTargets<int>(_ids, memory.AsSpan(0, 6), 2), 5, 1, memory.AsSpan(5, 15));
        Action beside = () => PtxLoss.ComputeWithGradient(
            0, _logits, new SoftTargets<int>(_ids, memory.AsSpan(0, 6), 2), 5, 1, memory.AsSpan(6, 15));
        Action weight = () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(_logits, [3, 5]),
            new ReadOnlyTensorSpan<float>(_logits, [3, 5]),
            new SoftTargets<int>(_ids.AsSpan(0, 3), memory.AsSpan(14, 3), 1),
            1,
            new() { Weight = new TensorSpan<float>(memory, [3, 5]) },
            new() { IgnoreIndex = 4 });

        ids.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage("*overlaps targets;*");
        probabilities.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage(
            "*overlaps targets.Probabilities;*");
        weight.Should().Throw<ArgumentException>().WithParameterName("gradients.Weight").WithMessage(
            "*overlaps targets.Probabilities;*");
        memory.Should().OnlyContain(x => x == 0);
        beside.Should().NotThrow();
    }

    /// <summary>Checks every entry that takes them: all reject, with the same words, and write nothing.</summary>
    private ArgumentException Rejects(
        int[] ids,
        float[] probabilities,
        string parameter,
        string message,
        PtxLossOptions? options = null,
        float[]? tokenWeights = null)
    {
        Action[] calls =
        [
            () => PtxLoss.Compute(0, _logits, new SoftTargets<int>(ids, probabilities, 2), 5, 1, options, tokenWeights),
            () => PtxLoss.ComputeWithGradient(
                0, _logits, new SoftTargets<int>(ids, probabilities, 2), 5, 1, _gradient, options, tokenWeights),
        ];
        if (ids.Length == 6)
        {
            calls =
            [
                .. calls,
                () => PtxLoss.ComputeFromHidden(
                    0, Hidden, Weight, new SoftTargets<int>(ids, probabilities, 2), 1, options, default, tokenWeights),
                () => PtxLoss.ComputeFromHiddenWithGradient(
                    0,
                    Hidden,
                    Weight,
                    new SoftTargets<int>(ids, probabilities, 2),
                    1,
                    new() { Weight = new TensorSpan<float>(_gradient, [5, 3]) },
                    options,
                    default,
                    tokenWeights),
            ];
        }

        ArgumentException? last = null;
        foreach (Action call in calls)
        {
            last = call.Should().Throw<ArgumentException>().WithParameterName(parameter).Which;
            last.Message.Should().Contain(message);
        }

        _gradient.Should().OnlyContain(x => x == Untouched);
        return last!;
    }

    private static ReadOnlyTensorSpan<float> Hidden => new(_logits, [3, 3], [3, 1]);

    private static ReadOnlyTensorSpan<float> Weight => new(_logits, [5, 3]);
}
