using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>Losses added up over micro-batches and replicas.</summary>
public class AccumulatorTests
{
    private const int VocabularySize = 50;
    private readonly float[] _logits = TestData.Logits(8 * VocabularySize, seed: 3);
    private readonly int[] _targets = [3, -100, 49, 0, 7, -100, 7, 1];

    /// <summary>A batch, split into micro-batches that end at these tokens, which so many replicas share.</summary>
    public sealed record Draw(
        int Tokens, int[] Ends, int Replicas, int Seed, PtxLossOptions Options, bool HasWeights, bool IsCountedFirst);

    [Fact]
    public void Any_split_of_a_batch_gives_its_loss_and_the_very_bits_of_its_gradient()
        => Check.One(Drawn.Times(200), Prop.ForAll(Arb.From(Draws()), Holds));

    internal static void Holds(Draw drawn)
    {
        const int vocabularySize = 300;
        const double rlLoss = 1.5, coefficient = 0.3;
        var random = new Random(drawn.Seed);
        float[] logits = TestData.Logits(drawn.Tokens * vocabularySize, drawn.Seed);
        int[] targets = [.. TestData.Targets(drawn.Tokens, vocabularySize, drawn.Seed).Select(
            target => random.Next(4) == 0 ? -100 : target)];
        float[] weights = [.. targets.Select(_ => drawn.HasWeights ? random.Next(3) * 0.75f : 1)];
        double counted = weights.Zip(targets, (weight, target) => target < 0 ? 0.0 : weight).Sum();
        float[] WeightsOf(Range tokens) => drawn.HasWeights ? weights[tokens] : [];
        bool isMean = drawn.Options.Reduction == LossReduction.Mean;
        var shared = drawn.Options with { Denominator = isMean ? counted : null };

        PtxLoss.Denominator(targets, drawn.Options, WeightsOf(..)).Should().Be(counted);
        PtxLossAccumulator[] replicas = [.. Enumerable.Range(0, drawn.Replicas).Select(_ => new PtxLossAccumulator())];
        float[] gradient = new float[logits.Length], wholeGradient = new float[logits.Length];
        int start = 0;
        foreach (int end in drawn.Ends.Append(drawn.Tokens))
        {
            Range tokens = start..end, values = (start * vocabularySize)..(end * vocabularySize);
            Span<float> part = gradient.AsSpan(values);
            PtxLossResult result = PtxLoss.ComputeWithGradient(
                0, logits[values], targets[tokens], vocabularySize, coefficient, part, shared, WeightsOf(tokens));
            PtxLossAccumulator replica = replicas[random.Next(drawn.Replicas)];
            if (drawn.IsCountedFirst)
            {
                replica.Add(result);
            }
            else
            {
                replica.Add(
                    PtxLoss.Compute(0, logits[values], targets[tokens], vocabularySize, 1, drawn.Options, WeightsOf(tokens)));
            }

            start = end;
        }

        var all = new PtxLossAccumulator();
        foreach (PtxLossAccumulator replica in replicas)
        {
            all.Merge(replica);
        }

        ScalarReference expected = ScalarReference.Compute<float, int>(
            rlLoss, logits, targets, vocabularySize, coefficient, drawn.Options, WeightsOf(..));
        PtxLossResult whole = PtxLoss.ComputeWithGradient(
            rlLoss, logits, targets, vocabularySize, coefficient, wholeGradient, drawn.Options, WeightsOf(..));
        PtxLossResult actual = all.ToResult(rlLoss, coefficient);
        gradient.ShouldBeIdentical(wholeGradient);
        (actual.RlLoss, actual.PtxCoefficient, actual.TokenCount).Should().Be((rlLoss, coefficient, expected.TokenCount));
        (all.WeightSum, all.TokenCount).Should().Be((counted, expected.TokenCount));
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
            i => (i == 1 ? 2e-5 : 1e-6) * (drawn.Options.Reduction == LossReduction.Sum ? drawn.Tokens : 1));
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.PtxTerm, actual.Total, actual.Perplexity],
            [whole.LanguageModelLoss, whole.ZLoss, whole.PtxTerm, whole.Total, whole.Perplexity],
            i => i == 4 ? 1e-13 * whole.Perplexity : 1e-14 * drawn.Tokens * (1 + whole.ZLoss + whole.LanguageModelLoss));
        CheckStatistics(actual, whole, expected);
    }

    private static void CheckStatistics(PtxLossResult actual, PtxLossResult whole, ScalarReference expected)
    {
        (actual.Accuracy.HasValue, actual.Entropy.HasValue).Should().Be((whole.Accuracy.HasValue, whole.Entropy.HasValue));
        Closeness.ShouldBeClose(
            [actual.Accuracy ?? 0, actual.Entropy ?? 0], [whole.Accuracy ?? 0, whole.Entropy ?? 0], _ => 1e-13);
        Closeness.ShouldBeClose(
            [actual.Accuracy ?? 0, actual.Entropy ?? 0],
            [actual.Accuracy.HasValue ? expected.Accuracy : 0, actual.Entropy.HasValue ? expected.MeanEntropy : 0],
            i => i == 0 ? 1e-13 : 1e-5);
    }

    [Fact]
    public void A_statistic_is_known_if_it_is_known_of_all_that_was_added()
    {
        PtxLossResult none = Of(LossStatistics.None), accuracy = Of(LossStatistics.Accuracy);
        PtxLossResult both = Of(LossStatistics.Accuracy | LossStatistics.Entropy);
        PtxLossResult ignored = PtxLoss.Compute(0, _logits.AsSpan(0, VocabularySize), [-100], VocabularySize, 1);

        Known(both, both).Should().Be((both.Accuracy, both.Entropy));
        Known(both, accuracy).Should().Be((both.Accuracy, null));
        Known(accuracy, both).Should().Be((both.Accuracy, null));
        Known(both, none, both).Should().Be((null, null));
        Known(ignored, both, ignored).Should().Be(
            (both.Accuracy, both.Entropy), "there is nothing to know of tokens that do not count");
        Known().Should().Be((null, null));
        Known(ignored).Should().Be((null, null));
        Known(
            PtxLoss.Compute(
                0,
                _logits.AsSpan(0, VocabularySize),
                [-100],
                VocabularySize,
                1,
                new() { Statistics = LossStatistics.Entropy })).Should().Be((null, 0));

        PtxLossResult Of(LossStatistics statistics)
            => PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, new() { Statistics = statistics });

        static (double? Accuracy, double? Entropy) Known(params PtxLossResult[] results)
        {
            PtxLossAccumulator one = new(), left = new(), right = new(), merged = new();
            for (int i = 0; i < results.Length; i++)
            {
                one.Add(results[i]);
                (i == 0 ? left : right).Add(results[i]);
            }

            merged.Merge(left);
            merged.Merge(right);
            merged.Merge(new());
            PtxLossResult actual = one.ToResult(0, 1);
            merged.ToResult(0, 1).Should().Be(actual);
            return (actual.Accuracy, actual.Entropy);
        }
    }

    [Fact]
    public void Sums_carry_statistics()
    {
        var options = new PtxLossOptions { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy };
        float[] weights = [1, 1, 0.5f, 2, 0, 1, 1, 0.25f];
        _logits[3] = 30; // the first token is right
        PtxLossResult expected = PtxLoss.Compute(2, _logits, _targets, VocabularySize, 0.5, options, weights);
        PtxLossAccumulator here = new(), there = new();
        here.Add(expected);

        there.Add(here.LossSum, here.WeightSum, here.ZLossSum, here.TokenCount, here.CorrectSum, here.EntropySum, options);

        there.ToResult(2, 0.5).Should().Be(expected);
        expected.Accuracy.Should().BePositive();
        here.CorrectSum.Should().BeApproximately(expected.Accuracy!.Value * 4.75, 1e-14);
        here.EntropySum.Should().BeApproximately(expected.Entropy!.Value * 4.75, 1e-12);
        (there.CorrectSum, there.EntropySum).Should().Be((here.CorrectSum, here.EntropySum));
    }

    [Fact]
    public void A_sum_of_a_statistic_tells_that_it_is_known_and_so_do_options()
    {
        Known(correctSum: 1, entropySum: 0, LossStatistics.None).Should().Be((0.5, null));
        Known(correctSum: 0, entropySum: 3, LossStatistics.None).Should().Be((null, 1.5));
        Known(correctSum: 0, entropySum: 0, LossStatistics.Accuracy).Should().Be((0, null));
        Known(correctSum: 2, entropySum: 0, LossStatistics.Entropy).Should().Be((1, 0));

        static (double? Accuracy, double? Entropy) Known(double correctSum, double entropySum, LossStatistics statistics)
        {
            var accumulator = new PtxLossAccumulator();
            accumulator.Add(
                3, 2, tokenCount: 2, correctSum: correctSum, entropySum: entropySum, options: new() { Statistics = statistics });
            PtxLossResult result = accumulator.ToResult(0, 1);
            return (result.Accuracy, result.Entropy);
        }
    }

    [Fact]
    public void A_perplexity_is_not_known_of_sums_with_a_target_weighting()
    {
        var options = new PtxLossOptions { TargetWeighting = TargetWeighting.Probability };
        PtxLossResult expected = PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options);
        PtxLossAccumulator of = new(), sums = new();
        of.Add(expected);
        sums.Add(of.LossSum, of.WeightSum, tokenCount: of.TokenCount, options: options);

        of.ToResult(0, 1).Should().Be(expected);
        expected.Perplexity.Should().Be(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1).Perplexity);
        sums.ToResult(0, 1).LanguageModelLoss.Should().Be(expected.LanguageModelLoss);
        sums.ToResult(0, 1).Perplexity.Should().Be(double.NaN);
        of.Merge(sums);
        of.ToResult(0, 1).Perplexity.Should().Be(double.NaN);
    }

    [Theory]
    [InlineData(2, -1, 0, "correctSum is -1, but must be from 0 to weightSum.*")]
    [InlineData(2, 2.1, 0, "correctSum is 2.1, but must be from 0 to weightSum.*")]
    [InlineData(2, double.PositiveInfinity, 0, "correctSum is Infinity, but must be from 0 to weightSum.*")]
    [InlineData(2, 0, -1e-9, "entropySum is -1E-09, but must be at least 0.*")]
    [InlineData(0, 1, 0, "correctSum is 1, but must be from 0 to weightSum.*")]
    [InlineData(0, 0, 1, "entropySum is 1, but must be 0 where weightSum is 0.*")]
    [InlineData(0, 0, double.NaN, "entropySum is NaN, but must be 0 where weightSum is 0.*")]
    public void Sums_of_statistics_that_cannot_be_are_refused(
        double weightSum, double correctSum, double entropySum, string message)
    {
        var accumulator = new PtxLossAccumulator();
        Refuses(
            () => accumulator.Add(0, weightSum, tokenCount: 2, correctSum: correctSum, entropySum: entropySum),
            message,
            message[..message.IndexOf(' ', StringComparison.Ordinal)]);
        (accumulator.TokenCount, accumulator.CorrectSum, accumulator.EntropySum).Should().Be((0, 0, 0));
    }

    [Fact]
    public void What_is_no_number_stays_none_in_statistics()
    {
        _logits[7] = float.NaN;
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(
            PtxLoss.Compute(
                0,
                _logits,
                _targets,
                VocabularySize,
                1,
                new() { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy }));
        accumulator.Add(
            accumulator.LossSum,
            accumulator.WeightSum,
            correctSum: accumulator.CorrectSum,
            entropySum: accumulator.EntropySum,
            options: new() { Statistics = LossStatistics.Accuracy });

        double.IsNaN(accumulator.EntropySum).Should().BeTrue();
        accumulator.ToResult(0, 1).Entropy.Should().Be(double.NaN);
        accumulator.ToResult(0, 1).Accuracy.Should().NotBe(double.NaN);
    }

    [Fact]
    public void Sums_of_other_processes_are_as_good_as_the_accumulators_they_come_from()
    {
        var options = new PtxLossOptions { ZLossCoefficient = 0.1 };
        PtxLossResult expected = PtxLoss.Compute(
            2, _logits, _targets, VocabularySize, 0.5, options, [1, 1, 0.5f, 2, 0, 1, 1, 0.25f]);
        PtxLossAccumulator here = new(), there = new();
        here.Add(expected);

        there.Add(here.LossSum, here.WeightSum, here.ZLossSum, here.TokenCount, options: options);

        there.ToResult(2, 0.5).Should().Be(expected);
        (there.WeightSum, there.TokenCount).Should().Be((4.75, 6));
    }

    [Fact]
    public void Sums_without_a_z_loss_are_a_loss_and_a_weight()
    {
        var accumulator = new PtxLossAccumulator();

        accumulator.Add(lossSum: 6, weightSum: 2);
        accumulator.Add(lossSum: 3, weightSum: 1.5, tokenCount: 2);
        accumulator.Add(0, 0);
        accumulator.Add(0, 0, options: new() { ZLossCoefficient = 0.5 });

        (accumulator.LossSum, accumulator.WeightSum, accumulator.ZLossSum, accumulator.TokenCount).Should().Be((9, 3.5, 0, 2));
        PtxLossResult result = accumulator.ToResult(rlLoss: 1, ptxCoefficient: 0.5);
        (result.LanguageModelLoss, result.Total, result.TokenCount).Should().Be((9 / 3.5, 1 + (0.5 * 9 / 3.5), 2));
    }

    [Fact]
    public void Tokens_of_weight_0_are_counted()
    {
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(lossSum: 0, weightSum: 0, tokenCount: 3);
        accumulator.Add(lossSum: 4, weightSum: 2, tokenCount: 2);

        (accumulator.WeightSum, accumulator.TokenCount, accumulator.ToResult(0, 1).LanguageModelLoss).Should().Be((2, 5, 2));
    }

    [Fact]
    public void Nothing_is_the_rl_loss()
    {
        var accumulator = new PtxLossAccumulator();
        accumulator.Merge(new());
        accumulator.Add(default);
        accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, new() { ZLossCoefficient = 0.1 }, new float[8]));
        accumulator.Add(PtxLoss.Compute<float, int>(0, [], [], VocabularySize, 1));

        PtxLossResult result = accumulator.ToResult(-0.0, 3);

        result.Total.ShouldBeIdentical(-0.0);
        (result.LanguageModelLoss, result.ZLoss, result.Perplexity, result.TokenCount).Should().Be((0, 0, 1, 6));
        new PtxLossAccumulator().ToResult(0.5, 1).Total.Should().Be(0.5);
    }

    [Fact]
    public void Each_denominator_makes_of_a_sum_its_part_of_the_mean()
    {
        var options = new PtxLossOptions { Denominator = 20 };
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options));
        accumulator.Add(lossSum: 4, weightSum: 2, options: options);

        double sum = ScalarReference.Compute<float, int>(
            0, _logits, _targets, VocabularySize, 1, new() { Reduction = LossReduction.Sum }).LanguageModelLoss;
        accumulator.ToResult(0, 1).LanguageModelLoss.ShouldBeTheLoss((sum + 4) / 20);
    }

    [Theory]
    [InlineData(float.NaN, double.NaN)]
    [InlineData(float.NegativeInfinity, double.PositiveInfinity)]
    public void A_loss_that_is_no_number_stays_one(float targetLogit, double expected)
    {
        _logits[3] = targetLogit;
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1));
        accumulator.Add(PtxLoss.Compute(0, _logits.AsSpan(VocabularySize), _targets.AsSpan(1), VocabularySize, 1));
        accumulator.Add(accumulator.LossSum, 3);

        accumulator.LossSum.Should().Be(expected);
        accumulator.ToResult(0, 1).Total.Should().Be(expected);
    }

    [Fact]
    public void What_disagrees_is_refused_and_nothing_is_added()
    {
        var accumulator = new PtxLossAccumulator();
        var options = new PtxLossOptions { ZLossCoefficient = 0.1, Denominator = 7 };
        accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options));
        (double, double, double, long) before = Sums();

        RefusesBoth(options with { ZLossCoefficient = 0.2 }, "ZLossCoefficient is 0.2, but 0.1 in what was added before; *");
        RefusesBoth(options with { Denominator = 8 }, "Denominator is 8, but 7 in what was added before; *");
        RefusesBoth(options with { Denominator = null }, "Denominator is null, but 7 in what was added before; *");
        RefusesBoth(
            options with { Denominator = null, Reduction = LossReduction.Sum },
            "Reduction is Sum, but Mean in what was added before; *");
        Refuses(() => accumulator.Add(3, 2), "ZLossCoefficient is 0, but 0.1 in what was added before; *", "options");
        var other = new PtxLossAccumulator();
        other.Add(3, 2);
        Refuses(() => accumulator.Merge(other), "ZLossCoefficient is 0, but 0.1 in what was added before; *", "other");
        Refuses(() => accumulator.Merge(accumulator), "other is this accumulator itself, *", "other");
        accumulator.Invoking(x => x.Merge(null!)).Should().Throw<ArgumentNullException>().WithParameterName("other");
        Sums().Should().Be(before);

        void RefusesBoth(PtxLossOptions others, string message)
        {
            Refuses(() => accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, others)), message, "result");
            Refuses(() => accumulator.Add(3, 2, options: others), message, "options");
        }

        (double, double, double, long) Sums()
            => (accumulator.LossSum, accumulator.WeightSum, accumulator.ZLossSum, accumulator.TokenCount);
    }

    [Theory]
    [InlineData(1, -1, 0, 0, "weightSum is -1, but must be finite and at least 0.*")]
    [InlineData(1, double.NaN, 0, 0, "weightSum is NaN, but must be finite and at least 0.*")]
    [InlineData(1, double.PositiveInfinity, 0, 0, "weightSum is Infinity, but must be finite and at least 0.*")]
    [InlineData(1, 0, 0, 0, "lossSum is 1, but must be 0 where weightSum is 0.*")]
    [InlineData(double.NaN, 0, 0, 0, "lossSum is NaN, but must be 0 where weightSum is 0.*")]
    [InlineData(0, 0, 1, 0.1, "zLossSum is 1, but must be 0 where weightSum is 0.*")]
    [InlineData(1, 2, 1, 0, "zLossSum is 1, but must be 0 where options.ZLossCoefficient is 0.*")]
    [InlineData(1, 2, -1, 0.1, "zLossSum is -1, but must be at least 0.*")]
    public void Sums_that_cannot_be_are_refused(
        double lossSum, double weightSum, double zLossSum, double zLossCoefficient, string message)
    {
        var accumulator = new PtxLossAccumulator();
        var options = new PtxLossOptions { ZLossCoefficient = zLossCoefficient };

        Refuses(
            () => accumulator.Add(lossSum, weightSum, zLossSum, 2, options: options),
            message,
            message[..message.IndexOf(' ', StringComparison.Ordinal)]);
        accumulator.TokenCount.Should().Be(0);
    }

    [Fact]
    public void Less_than_no_tokens_are_refused()
        => Refuses(
            () => new PtxLossAccumulator().Add(1, 2, tokenCount: -1), "tokenCount is -1, but must be at least 0.*", "tokenCount");

    [Fact]
    public void Sums_are_reduced_as_their_options_say()
    {
        PtxLossOptions[] all =
        [
            new() { Reduction = LossReduction.Sum },
            new() { Denominator = 3 },
            new() { Denominator = 3, ZLossCoefficient = 0.5 },
        ];
        foreach (PtxLossOptions options in all)
        {
            var accumulator = new PtxLossAccumulator();
            accumulator.Add(6, 2, options.ZLossCoefficient * 8, options: options);

            PtxLossResult result = accumulator.ToResult(1, 1);
            double divisor = options.Reduction == LossReduction.Sum ? 1 : 3;
            (result.LanguageModelLoss, result.ZLoss, result.Total).Should().Be(
                (6 / divisor,
                    options.ZLossCoefficient * 8 / divisor,
                    1 + ((6 + (options.ZLossCoefficient * options.ZLossCoefficient * 8)) / divisor)));
        }

        Refuses(
            () => new PtxLossAccumulator().Add(6, 2, options: new() { ZLossCoefficient = -1 }),
            "options.ZLossCoefficient is -1, but must be finite and at least 0.*", "options");
        Refuses(
            () => new PtxLossAccumulator().Add(6, 2, options: new() { Reduction = LossReduction.Sum, Denominator = 3 }),
            "options.Denominator is 3, but must be null where options.Reduction is Sum: *", "options");
    }

    [Fact]
    public void Tokens_have_no_mean_over_a_denominator_of_0()
    {
        var options = new PtxLossOptions { Denominator = 0 };
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1, options, new float[8]));

        Refuses(
            () => accumulator.Add(3, 2, tokenCount: 2, options: options),
            "options.Denominator is 0, but 8 tokens count, *",
            "options");
    }

    [Fact]
    public void The_coefficient_of_a_result_is_finite()
        => Refuses(() => new PtxLossAccumulator().ToResult(1, double.NaN), "ptxCoefficient must be finite.*", "ptxCoefficient");

    private static void Refuses(Action call, string message, string parameter)
        => call.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(parameter);

    internal static Gen<Draw> Draws()
        => from tokens in Gen.Choose(0, 12)
           from ends in Gen.ListOf(Gen.Choose(0, tokens))
           from replicas in Gen.Choose(1, 3)
           from seed in Gen.Choose(0, 1_000_000)
           from smoothing in Gen.Elements(0, 0.1)
           from zLoss in Gen.Elements(0, 1e-4, 0.1)
           from reduction in Gen.Elements(LossReduction.Mean, LossReduction.Sum)
           from weighting in Drawn.Weighting
           from statistics in Drawn.Statistics
           from flags in Gen.Choose(0, 3)
           select new Draw(
               tokens,
               [.. ends.Order()],
               replicas,
               seed,
               new()
               {
                   LabelSmoothing = smoothing,
                   ZLossCoefficient = zLoss,
                   Reduction = reduction,
                   TargetWeighting = weighting,
                   Statistics = statistics,
               },
               HasWeights: (flags & 1) != 0,
               IsCountedFirst: (flags & 2) != 0);

    [Fact]
    public void Tokens_that_weigh_nothing_have_perplexity_1_whatever_the_weighting()
    {
        var accumulator = new PtxLossAccumulator();

        accumulator.Add(0, 0, tokenCount: 3, options: new() { TargetWeighting = TargetWeighting.Probability });

        accumulator.ToResult(0, 1).Perplexity.Should().Be(1);
    }
}
