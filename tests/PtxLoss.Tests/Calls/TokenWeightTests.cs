using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Weights, and what counts nowhere, beside every other option.</summary>
public class TokenWeightTests
{
    [Fact]
    public void Weights_of_ignored_tokens_are_not_read()
    {
        float[] logits = TestData.Logits(4 * 7, seed: 1), gradient = new float[logits.Length];
        int[] targets = [-100, 3, 2, -100];
        float[] known = [1, 2, 0.5f, 1], unknown = [float.NaN, 2, 0.5f, float.NegativeInfinity];

        PtxLoss.ComputeWithGradient(0, logits, targets, 7, 1, gradient, null, unknown)
            .Should().Be(PtxLoss.Compute(0, logits, targets, 7, 1, tokenWeights: known));
        gradient.Should().NotContain(g => float.IsNaN(g));
        PtxLoss.Denominator(targets, tokenWeights: unknown).Should().Be(2.5);
        FromHidden(unknown).Should().Be(FromHidden(known));

        PtxLossResult FromHidden(float[] weights)
        {
            var matrix = new ReadOnlyTensorSpan<float>(logits, [4, 7], []);
            return PtxLoss.ComputeFromHidden<float, int>(0, in matrix, in matrix, targets, 1, tokenWeights: weights);
        }
    }

    private const int Tokens = 6;
    private const float Initial = 0.25f;
    private static readonly int[] _targets = [3, -100, 6, 0, 5, 2];
    private static readonly float[] _weights = [0.5f, 4, 0, 1.5f, 0.25f, 0];

    public static TheoryData<int, bool> Cases => new() { { 7, false }, { 7, true }, { 700, false }, { 700, true } };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rows_that_count_nowhere_are_not_read(int vocabularySize, bool accumulates)
    {
        float[] logits = Logits(vocabularySize);
        foreach (int token in new[] { 1, 2, 5 })
        {
            logits.AsSpan(token * vocabularySize, vocabularySize).Fill(float.NaN);
        }

        (PtxLossResult result, float[] gradient) = Run(logits, _targets, Options(accumulates), _weights);

        ScalarReference expected = ScalarReference.Compute<float, int>(
            0.5, Logits(vocabularySize), _targets, vocabularySize, 2, Options(accumulates), _weights);
        result.Total.ShouldBeTheLoss(expected.Total);
        result.TokenCount.Should().Be(5);
        foreach (int token in new[] { 1, 2, 5 })
        {
            gradient.AsSpan(token * vocabularySize, vocabularySize).ToArray().Should().OnlyContain(
                x => x == (accumulates ? Initial : 0));
        }

        gradient[0].Should().NotBe(accumulates ? Initial : 0);
        gradient.Should().NotContain(x => float.IsNaN(x));
    }

    [Fact]
    public void The_denominator_adds_up_what_is_not_ignored()
    {
        PtxLoss.Denominator(_targets, null, _weights).Should().Be(2.25);
        PtxLoss.Denominator(_targets, new() { IgnoreIndex = 3 }, _weights).Should().Be(5.75);
        PtxLoss.Denominator(_targets, new() { IgnoreIndex = null }, _weights).Should().Be(6.25);
        PtxLoss.Denominator(_targets).Should().Be(5);
        PtxLoss.Denominator(Array.Empty<long>()).Should().Be(0);

        var targets = new ReadOnlyTensorSpan<int>(_targets, [2, 3]);
        PtxLoss.Denominator(targets, null, _weights).Should().Be(2.25);
        PtxLoss.Denominator(targets, new() { ShiftTargets = true }, _weights).Should().Be(0.25, "only 6, 5 and 2 are predicted");
        PtxLoss.Denominator(Tensor.Create(_targets, [2, 3]), new() { ShiftTargets = true }).Should().Be(3);
    }

    [Fact]
    public void The_denominator_wants_a_weight_for_each_target()
    {
        float[] four = new float[4];
        (Action Call, string Name, string Message)[] calls =
        [
            (() => PtxLoss.Denominator(_targets, null, four), "tokenWeights", "tokenWeights has length 4, but must have 6, *"),
            (() => PtxLoss.Denominator(Tensor.Create(_targets, [2, 3]), null, four),
                "tokenWeights",
                "tokenWeights has length 4, but must have 6, *"),
            (() => PtxLoss.Denominator([1, 2], null, [1, -1]), "tokenWeights", "tokenWeights[1] is -1, *"),
            (() => PtxLoss.Denominator(_targets, new() { ShiftTargets = true }), "options", "options.ShiftTargets is true, *"),
        ];

        foreach ((Action call, string name, string message) in calls)
        {
            call.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(name);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Only_tokens_of_weight_0_give_the_rl_loss(int vocabularySize, bool accumulates)
    {
        PtxLossOptions options = Options(accumulates);
        foreach (PtxLossOptions reduced in new[]
        {
            options,
            options with { Denominator = 3 },
            options with { Denominator = 0 },
            options with { Reduction = LossReduction.Sum },
        })
        {
            (PtxLossResult result, float[] gradient) = Run(Logits(vocabularySize), _targets, reduced, new float[Tokens]);

            result.Total.Should().Be(0.5);
            (result.LanguageModelLoss, result.ZLoss, result.Perplexity, result.TokenCount).Should().Be((0, 0, 1, 5));
            gradient.Should().OnlyContain(x => x == (accumulates ? Initial : 0));
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_weight_counts_a_token_as_often(int vocabularySize, bool accumulates)
    {
        int[] times = [1, 2, 0, 3, 0, 1], repeated = [.. times.SelectMany((count, token) => Enumerable.Repeat(token, count))];
        float[] logits = Logits(vocabularySize);
        float[] repeatedLogits = [.. repeated.SelectMany(
            token => logits[(token * vocabularySize)..((token + 1) * vocabularySize)])];
        int[] repeatedTargets = [.. repeated.Select(token => _targets[token])];

        PtxLossResult weighted = Run(logits, _targets, Options(accumulates), [.. times.Select(count => (float)count)]).Result;
        PtxLossResult plain = Run(repeatedLogits, repeatedTargets, Options(accumulates), []).Result;

        weighted.Total.Should().BeApproximately(plain.Total, 1e-12);
        weighted.ZLoss.Should().BeApproximately(plain.ZLoss, 1e-9);
        weighted.Perplexity.Should().BeApproximately(plain.Perplexity, 1e-9 * plain.Perplexity);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Micro_batches_with_a_shared_denominator_add_up_to_the_batch(int vocabularySize, bool accumulates)
    {
        float[] logits = Logits(vocabularySize);
        (PtxLossResult whole, float[] wholeGradient) = Run(logits, _targets, Options(accumulates), _weights);

        double denominator = _weights.Where((_, token) => _targets[token] != -100).Sum(weight => (double)weight), sum = 0;
        List<float> gradient = [];
        foreach (Range tokens in new[] { 0..1, 1..3, 3..6 })
        {
            var values = new Range(tokens.Start.Value * vocabularySize, tokens.End.Value * vocabularySize);
            (PtxLossResult part, float[] partGradient) = Run(
                logits[values], _targets[tokens], Options(accumulates) with { Denominator = denominator }, _weights[tokens]);
            sum += part.PtxTerm;
            gradient.AddRange(partGradient);
        }

        sum.Should().BeApproximately(whole.PtxTerm, 1e-12);
        gradient.ToArray().ShouldBeIdentical(wholeGradient);
    }

    [Fact]
    public void Backward_does_not_read_rows_of_scale_0()
    {
        float[] gradient = [1, 1, 1, 1];

        CrossEntropy.Backward(
            [float.NaN, 0f, 1, 1],
            [0, 0],
            2,
            new() { LogSumExp = (double[])[double.NaN, 1 + Math.Log(2)] },
            new() { Loss = [0, 2] },
            gradient);

        gradient.Should().Equal(0, 0, -1, 1);
    }

    private static float[] Logits(int vocabularySize)
    {
        float[] logits = TestData.Logits(Tokens * vocabularySize, seed: vocabularySize);
        logits[1] = float.NegativeInfinity;
        return logits;
    }

    private static PtxLossOptions Options(bool accumulates) => new()
    {
        LabelSmoothing = 0.1,
        ZLossCoefficient = 0.01,
        LogitSoftCap = 20,
        AccumulateGradient = accumulates,
    };

    private static (PtxLossResult Result, float[] Gradient) Run(
        float[] logits, int[] targets, PtxLossOptions options, float[] weights)
    {
        float[] gradient = [.. Enumerable.Repeat(Initial, logits.Length)];
        return (PtxLoss.ComputeWithGradient(
            0.5, logits, targets, logits.Length / targets.Length, 2, gradient, options, weights), gradient);
    }
}
