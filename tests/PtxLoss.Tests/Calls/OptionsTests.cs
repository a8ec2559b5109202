using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Ignored tokens, reductions and denominators.</summary>
public class OptionsTests
{
    private const int VocabularySize = 50;
    private readonly float[] _logits = TestData.Logits(8 * VocabularySize, seed: 3);
    private readonly int[] _targets = [3, -100, 49, 0, 7, -100, 7, 1];

    public static TheoryData<PtxLossOptions?> Options =>
    [
        (PtxLossOptions?)null,
        new PtxLossOptions(),
        new PtxLossOptions { Reduction = LossReduction.Sum },
        new PtxLossOptions { Denominator = 1000.5 },
        new PtxLossOptions { MaxDegreeOfParallelism = 1 },
    ];

    [Theory]
    [MemberData(nameof(Options))]
    public void Match_the_reference(PtxLossOptions? options)
    {
        float[] gradient = new float[_logits.Length];

        PtxLossResult result = PtxLoss.ComputeWithGradient(0.5, _logits, _targets, VocabularySize, 2, gradient, options);

        ScalarReference expected = ScalarReference.Compute<float, int>(0.5, _logits, _targets, VocabularySize, 2, options);
        result.Total.ShouldBeTheLoss(expected.Total);
        result.LanguageModelLoss.ShouldBeTheLoss(expected.LanguageModelLoss);
        result.TokenCount.Should().Be(6);
        gradient.ShouldBeTheGradient(expected.Gradient, expected.GradientScale);
    }

    [Theory]
    [MemberData(nameof(Options))]
    public void Perplexity_is_that_of_the_tokens_counted_here(PtxLossOptions? options)
    {
        double mean = PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1).LanguageModelLoss;

        PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options).Perplexity.Should()
            .BeApproximately(Math.Exp(mean), 1e-9);
    }

    [Fact]
    public void By_default_a_call_uses_all_cores()
        => new PtxLossOptions().MaxDegreeOfParallelism.Should().Be(-1);

    [Fact]
    public void A_denominator_counts_any_id_that_is_not_ignored()
    {
        PtxLoss.Denominator([-1, -2, -100, 7]).Should().Be(3);
        PtxLoss.Denominator(Tensor.Create<long>([-1, long.MaxValue, -100])).Should().Be(2);
        PtxLoss.Denominator(new SoftTargets<int>([-1, -100, -100, -100], [1, 1, 1, 1], idsPerToken: 2)).Should().Be(1);
    }

    [Fact]
    public void Any_id_may_be_ignored()
    {
        int[] targets = [.. _targets.Select(target => target == -100 ? 5 : target)];
        var options = new PtxLossOptions { IgnoreIndex = 5 };

        PtxLossResult result = PtxLoss.Compute(1, _logits, targets, VocabularySize, 1, options);

        result.Should().Be(PtxLoss.Compute(1, _logits, _targets, VocabularySize, 1));
    }

    [Fact]
    public void Without_an_ignored_id_every_target_counts()
    {
        int[] targets = TestData.Targets(8, VocabularySize, seed: 1);

        PtxLoss.Compute(1, _logits, targets, VocabularySize, 1, new() { IgnoreIndex = null }).TokenCount.Should().Be(8);
    }

    [Fact]
    public void The_denominator_of_tokens_without_weights_is_the_number_of_those_that_are_not_ignored()
    {
        PtxLoss.Denominator(_targets).Should().Be(6);
        PtxLoss.Denominator(_targets, new() { IgnoreIndex = null }).Should().Be(8);
        PtxLoss.Denominator(_targets, new() { IgnoreIndex = 7 }).Should().Be(6);
        PtxLoss.Denominator(Array.Empty<long>()).Should().Be(0);
    }

    [Fact]
    public void Micro_batches_with_a_shared_denominator_add_up_to_the_batch()
    {
        var options = new PtxLossOptions { Denominator = PtxLoss.Denominator(_targets) };
        double whole = PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1).LanguageModelLoss;
        float[] wholeGradient = new float[_logits.Length], gradient = new float[_logits.Length];
        PtxLoss.ComputeWithGradient(0, _logits, _targets, VocabularySize, 0.3, wholeGradient);

        double sum = 0;
        foreach (Range tokens in new[] { 0..3, 3..4, 4..8 })
        {
            var values = new Range(tokens.Start.Value * VocabularySize, tokens.End.Value * VocabularySize);
            sum += PtxLoss.ComputeWithGradient(
                0, _logits[values], _targets[tokens], VocabularySize, 0.3, gradient.AsSpan(values), options).LanguageModelLoss;
        }

        sum.Should().BeApproximately(whole, 1e-14);
        gradient.ShouldBeIdentical(wholeGradient);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Micro_batches_of_ignored_tokens_with_a_denominator_of_0_give_the_rl_loss(bool accumulates)
    {
        const float earlier = 0.25f;
        int[] targets = [.. Enumerable.Repeat(-100, 8)];
        var options = new PtxLossOptions
        {
            Denominator = PtxLoss.Denominator(targets),
            AccumulateGradient = accumulates,
            ZLossCoefficient = 0.1,
        };
        foreach (Range tokens in new[] { 0..3, 3..8 })
        {
            float[] logits = _logits[(tokens.Start.Value * VocabularySize)..(tokens.End.Value * VocabularySize)];
            int[] ids = targets[tokens];
            float[] gradient = [.. Enumerable.Repeat(earlier, logits.Length)], tensorGradient = [.. gradient];
            var logitsTensor = new ReadOnlyTensorSpan<float>(logits, [ids.Length, VocabularySize]);
            var idsTensor = new ReadOnlyTensorSpan<int>(ids, [ids.Length]);

            PtxLossResult[] results =
            [
                PtxLoss.Compute(0.5, logits, ids, VocabularySize, 2, options),
                PtxLoss.ComputeWithGradient(0.5, logits, ids, VocabularySize, 2, gradient, options),
                PtxLoss.Compute(0.5, logitsTensor, idsTensor, 2, options),
                PtxLoss.ComputeWithGradient(
                    0.5,
                    logitsTensor,
                    idsTensor,
                    2,
                    new TensorSpan<float>(tensorGradient, [ids.Length, VocabularySize]),
                    options),
            ];

            foreach (PtxLossResult result in results)
            {
                (result.Total, result.LanguageModelLoss, result.ZLoss, result.Perplexity).Should().Be((0.5, 0, 0, 1));
            }

            gradient.Should().OnlyContain(x => x == (accumulates ? earlier : 0));
            tensorGradient.Should().Equal(gradient);
        }
    }

    [Fact]
    public void A_denominator_of_0_is_fine_where_nothing_is_divided_by_it()
    {
        var options = new PtxLossOptions { Denominator = 0 };

        PtxLoss.Compute(0.5, _logits, _targets, VocabularySize, 2, options, new float[8]).Total.Should().Be(0.5);
        PtxLoss.Compute<float, int>(0.5, [], [], VocabularySize, 2, options).Total.Should().Be(0.5);
    }
}
