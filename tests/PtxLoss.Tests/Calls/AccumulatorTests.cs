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
    public sealed record Draw(int Tokens, int[] Ends, int Replicas, int Seed, PtxLossOptions Options, bool HasWeights, bool IsCountedFirst);

    [Fact]
    public void Any_split_of_a_batch_gives_its_loss_and_the_very_bits_of_its_gradient()
        => Check.One(Drawn.Times(200), Prop.ForAll(Arb.From(Draws()), Holds));

    internal static void Holds(Draw drawn)
    {
        const int vocabularySize = 300;
        const double rlLoss = 1.5, coefficient = 0.3;
        var random = new Random(drawn.Seed);
        float[] logits = TestData.Logits(drawn.Tokens * vocabularySize, drawn.Seed);
        int[] targets = [.. TestData.Targets(drawn.Tokens, vocabularySize, drawn.Seed).Select(target => random.Next(4) == 0 ? -100 : target)];
        float[] weights = [.. targets.Select(_ => drawn.HasWeights ? random.Next(3) * 0.75f : 1)];
        double counted = weights.Zip(targets, (weight, target) => target < 0 ? 0.0 : weight).Sum();
        PtxLossOptions Options(Range tokens, double? denominator) => drawn.Options with
        {
            TokenWeights = drawn.HasWeights ? weights[tokens] : default(ReadOnlyMemory<float>),
            Denominator = denominator,
        };

        PtxLoss.SumWeights(targets, Options(.., null)).Should().Be(counted);
        PtxLossAccumulator[] replicas = [.. Enumerable.Range(0, drawn.Replicas).Select(_ => new PtxLossAccumulator())];
        float[] gradient = new float[logits.Length], wholeGradient = new float[logits.Length];
        int start = 0;
        foreach (int end in drawn.Ends.Append(drawn.Tokens))
        {
            Range tokens = start..end, values = (start * vocabularySize)..(end * vocabularySize);
            PtxLossResult result = PtxLoss.ComputeWithGradient(
                0, logits[values], targets[tokens], vocabularySize, coefficient, gradient.AsSpan(values), Options(tokens, counted));
            PtxLossAccumulator replica = replicas[random.Next(drawn.Replicas)];
            if (drawn.IsCountedFirst)
            {
                replica.Add(result);
            }
            else
            {
                replica.Add(logits[values], targets[tokens], vocabularySize, Options(tokens, null));
            }

            start = end;
        }

        var all = new PtxLossAccumulator();
        foreach (PtxLossAccumulator replica in replicas)
        {
            all.Merge(replica);
        }

        ScalarReference expected = ScalarReference.Compute<float, int>(
            rlLoss, logits, targets, vocabularySize, coefficient, Options(.., null));
        PtxLossResult whole = PtxLoss.ComputeWithGradient(
            rlLoss, logits, targets, vocabularySize, coefficient, wholeGradient, Options(.., null));
        PtxLossResult actual = all.ToResult(rlLoss, coefficient);
        gradient.ShouldBeIdentical(wholeGradient);
        (actual.RlLoss, actual.PtxCoefficient, actual.TokenCount).Should().Be((rlLoss, coefficient, expected.TokenCount));
        all.TokenCount.Should().Be(counted);
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.Total],
            [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
            i => (i == 1 ? 2e-5 : 1e-6) * (drawn.Options.Reduction == LossReduction.Sum ? drawn.Tokens : 1));
        Closeness.ShouldBeClose(
            [actual.LanguageModelLoss, actual.ZLoss, actual.PtxTerm, actual.Total, actual.Perplexity],
            [whole.LanguageModelLoss, whole.ZLoss, whole.PtxTerm, whole.Total, whole.Perplexity],
            i => i == 4 ? 1e-13 * whole.Perplexity : 1e-14 * drawn.Tokens * (1 + whole.ZLoss + whole.LanguageModelLoss));
    }

    [Fact]
    public void What_is_known_of_each_token_is_as_good_as_its_logits()
    {
        var options = new PtxLossOptions { ZLossCoefficient = 0.1, Denominator = 9, TokenWeights = new[] { 1, 1, 0.5f, 2, 0, 1, 1, 0.25f } };
        double[] logSumExp = new double[8], targetLogit = new double[8];
        CrossEntropy.Forward(_logits, _targets, VocabularySize, new() { LogSumExp = logSumExp, TargetLogit = targetLogit });
        (logSumExp[4], logSumExp[5]) = (double.NaN, double.NaN); // weight 0, and ignored
        var accumulator = new PtxLossAccumulator();

        accumulator.Add(_targets, VocabularySize, logSumExp, targetLogit, options);

        accumulator.ToResult(2, 0.5).Should().Be(PtxLoss.Compute(2, _logits, _targets, VocabularySize, 0.5, options));
    }

    [Fact]
    public void What_is_known_of_each_token_must_fit()
    {
        var accumulator = new PtxLossAccumulator();
        double[] eight = new double[8];

        Refuses(() => accumulator.Add(_targets, VocabularySize, new double[7], eight), "logSumExp has length 7, but needs 8 *", "logSumExp");
        Refuses(() => accumulator.Add(_targets, VocabularySize, eight, new double[9]), "targetLogit has length 9, but needs 8 *", "targetLogit");
        Refuses(() => accumulator.Add(_targets, 49, eight, eight), "targets[2] is 49, which is outside [0, 49) *", "targets");
        Refuses(() => accumulator.Add(_targets, 0, eight, eight), "vocabularySize must be at least 1.*", "vocabularySize");
        Refuses(
            () => accumulator.Add(_targets, VocabularySize, eight, eight, new() { LabelSmoothing = 0.1 }),
            "options.LabelSmoothing is 0.1, but must be 0 for losses of log-sum-exps: *", "options");
        Refuses(
            () => accumulator.Add(_targets, VocabularySize, eight, eight, new() { ShiftTargets = true }), "options.ShiftTargets is true, *", "options");
        Refuses(
            () => accumulator.Add(_targets, VocabularySize, eight, eight, new() { TokenWeights = new float[3] }),
            "options.TokenWeights has length 3, *", "options");
        accumulator.TokenCount.Should().Be(0);
    }

    [Fact]
    public void Sums_of_other_processes_are_as_good_as_the_accumulators_they_come_from()
    {
        var options = new PtxLossOptions { ZLossCoefficient = 0.1, TokenWeights = new[] { 1, 1, 0.5f, 2, 0, 1, 1, 0.25f } };
        var here = new PtxLossAccumulator();
        var there = new PtxLossAccumulator();
        here.Add(_logits, _targets, VocabularySize, options);

        there.Add(here.LossSum, here.TokenCount, here.ZLossSum, options);

        (here.LossSum, here.TokenCount, here.ZLossSum, here.ZLossCoefficient)
            .Should().Be((there.LossSum, there.TokenCount, there.ZLossSum, there.ZLossCoefficient));
        PtxLossResult expected = PtxLoss.Compute(2, _logits, _targets, VocabularySize, 0.5, options);
        PtxLossResult actual = there.ToResult(2, 0.5);
        (actual.LanguageModelLoss, actual.ZLoss, actual.PtxTerm, actual.Total)
            .Should().Be((expected.LanguageModelLoss, expected.ZLoss, expected.PtxTerm, expected.Total));
        there.TokenCount.Should().Be(4.75);
        actual.TokenCount.Should().Be(5, "a sum of weights is all that it knows");
    }

    [Fact]
    public void Sums_without_a_z_loss_are_a_loss_and_a_count()
    {
        var accumulator = new PtxLossAccumulator();

        accumulator.Add(lossSum: 6, tokenCount: 2);
        accumulator.Add(lossSum: 3, tokenCount: 1.5);
        accumulator.Add(0, 0);
        accumulator.Add(0, 0, zLossSum: 0, new() { ZLossCoefficient = 0.5 });

        (accumulator.LossSum, accumulator.TokenCount, accumulator.ZLossSum, accumulator.ZLossCoefficient).Should().Be((9, 3.5, 0, 0));
        PtxLossResult result = accumulator.ToResult(rlLoss: 1, ptxCoefficient: 0.5);
        (result.LanguageModelLoss, result.Total, result.TokenCount).Should().Be((9 / 3.5, 1 + (0.5 * 9 / 3.5), 4));
    }

    [Fact]
    public void Nothing_is_the_rl_loss()
    {
        var accumulator = new PtxLossAccumulator();
        accumulator.Merge(new());
        accumulator.Add(default);
        accumulator.Add(_logits, _targets, VocabularySize, new() { TokenWeights = new float[8], ZLossCoefficient = 0.1 });
        accumulator.Add(ReadOnlySpan<float>.Empty, ReadOnlySpan<int>.Empty, VocabularySize);

        PtxLossResult result = accumulator.ToResult(-0.0, 3);

        result.Total.ShouldBeIdentical(-0.0);
        (result.LanguageModelLoss, result.ZLoss, result.Perplexity, result.TokenCount).Should().Be((0, 0, 1, 6));
        new PtxLossAccumulator().ToResult(0.5, 1).Total.Should().Be(0.5);
    }

    [Fact]
    public void Each_denominator_of_a_sum_makes_its_part_of_the_mean()
    {
        var options = new PtxLossOptions { Denominator = 20 };
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(_logits, _targets, VocabularySize, options);
        accumulator.Add(lossSum: 4, tokenCount: 2);

        double sum = ScalarReference.Compute<float, int>(0, _logits, _targets, VocabularySize, 1, new() { Reduction = LossReduction.Sum }).LanguageModelLoss;
        accumulator.ToResult(0, 1).LanguageModelLoss.ShouldBeTheLoss((sum + 4) / 20);
    }

    [Theory]
    [InlineData(float.NaN, double.NaN)]
    [InlineData(float.NegativeInfinity, double.PositiveInfinity)]
    public void A_loss_that_is_no_number_stays_one(float targetLogit, double expected)
    {
        _logits[3] = targetLogit;
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(_logits, _targets, VocabularySize);
        accumulator.Add(_logits.AsSpan(VocabularySize), _targets.AsSpan(1), VocabularySize);
        accumulator.Add(accumulator.LossSum, 3);

        accumulator.LossSum.Should().Be(expected);
        accumulator.ToResult(0, 1).Total.Should().Be(expected);
    }

    [Fact]
    public void What_disagrees_is_refused_and_nothing_is_added()
    {
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(_logits, _targets, VocabularySize, new() { ZLossCoefficient = 0.1, Denominator = 7 });
        (double, double, double) before = Sums();

        Refuses(() => Add(new() { ZLossCoefficient = 0.2, Denominator = 7 }), "ZLossCoefficient is 0.2, but 0.1 in what was added before; *", "options");
        Refuses(() => Add(new() { ZLossCoefficient = 0.1, Denominator = 8 }), "Denominator is 8, but 7 in what was added before; *", "options");
        Refuses(() => Add(new() { ZLossCoefficient = 0.1 }), "Denominator is null, but 7 in what was added before; *", "options");
        Refuses(
            () => Add(new() { ZLossCoefficient = 0.1, Denominator = 7, Reduction = LossReduction.Sum }),
            "Reduction is Sum, but Mean in what was added before; *",
            "options");
        Refuses(
            () => accumulator.Add(PtxLoss.Compute(0, _logits, _targets, VocabularySize, 1)),
            "ZLossCoefficient is 0, but 0.1 in what was added before; *",
            "result");
        Refuses(() => accumulator.Add(3, 2), "ZLossCoefficient is 0, but 0.1 in what was added before; *", "lossSum");
        var other = new PtxLossAccumulator();
        other.Add(3, 2);
        Refuses(() => accumulator.Merge(other), "ZLossCoefficient is 0, but 0.1 in what was added before; *", "other");
        Refuses(() => accumulator.Merge(accumulator), "other is this accumulator itself, *", "other");
        accumulator.Invoking(x => x.Merge(null!)).Should().Throw<ArgumentNullException>().WithParameterName("other");
        Sums().Should().Be(before);

        void Add(PtxLossOptions options) => accumulator.Add(_logits, _targets, VocabularySize, options);
        (double, double, double) Sums() => (accumulator.LossSum, accumulator.TokenCount, accumulator.ZLossSum);
    }

    [Theory]
    [InlineData(1, -1, 0, 0, "tokenCount is -1, but must be from 0 to 2^53.*")]
    [InlineData(1, double.NaN, 0, 0, "tokenCount is NaN, but must be from 0 to 2^53.*")]
    [InlineData(1, 1.0e20, 0, 0, "tokenCount is 1E+20, but must be from 0 to 2^53.*")]
    [InlineData(1, 0, 0, 0, "lossSum is 1, but must be 0 where tokenCount is 0.*")]
    [InlineData(double.NaN, 0, 0, 0, "lossSum is NaN, but must be 0 where tokenCount is 0.*")]
    [InlineData(0, 0, 1, 0.1, "zLossSum is 1, but must be 0 where tokenCount is 0.*")]
    [InlineData(1, 2, 1, 0, "zLossSum is 1, but must be 0 where there is no z-loss.*")]
    [InlineData(1, 2, -1, 0.1, "zLossSum is -1, but must be at least 0.*")]
    public void Sums_that_cannot_be_are_refused(double lossSum, double tokenCount, double zLossSum, double zLossCoefficient, string message)
    {
        var accumulator = new PtxLossAccumulator();
        var options = new PtxLossOptions { ZLossCoefficient = zLossCoefficient };

        Refuses(() => accumulator.Add(lossSum, tokenCount, zLossSum, options), message, message[..message.IndexOf(' ', StringComparison.Ordinal)]);
        accumulator.TokenCount.Should().Be(0);
    }

    [Fact]
    public void Sums_are_reduced_as_their_options_say()
    {
        PtxLossOptions[] all =
        [
            new() { Reduction = LossReduction.Sum },
            new() { Denominator = 3 },
            new() { Denominator = 3, ZLossCoefficient = 0.5, TokenWeights = new float[7] }, // weights are in the sums already
        ];
        foreach (PtxLossOptions options in all)
        {
            var accumulator = new PtxLossAccumulator();
            accumulator.Add(6, 2, options.ZLossCoefficient * 8, options);

            PtxLossResult result = accumulator.ToResult(1, 1);
            double divisor = options.Reduction == LossReduction.Sum ? 1 : 3;
            (result.LanguageModelLoss, result.ZLoss, result.Total).Should().Be(
                (6 / divisor, options.ZLossCoefficient * 8 / divisor, 1 + ((6 + (options.ZLossCoefficient * options.ZLossCoefficient * 8)) / divisor)));
        }

        Refuses(
            () => new PtxLossAccumulator().Add(6, 2, 0, new() { ZLossCoefficient = -1 }),
            "options.ZLossCoefficient is -1, but must be finite and at least 0.*", "options");
    }

    [Fact]
    public void Tokens_have_no_mean_over_a_denominator_of_0()
    {
        var options = new PtxLossOptions { Denominator = 0 };
        var accumulator = new PtxLossAccumulator();
        accumulator.Add(_logits, _targets, VocabularySize, options with { TokenWeights = new float[8] });

        Refuses(() => accumulator.Add(_logits, _targets, VocabularySize, options), "options.Denominator is 0, but 6 tokens count, *", "options");
        Refuses(() => accumulator.Add(3, 2), "options.Denominator is 0, but 8 tokens count, *", "lossSum");
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
           from flags in Gen.Choose(0, 3)
           select new Draw(
               tokens,
               [.. ends.Order()],
               replicas,
               seed,
               new() { LabelSmoothing = smoothing, ZLossCoefficient = zLoss, Reduction = reduction },
               HasWeights: (flags & 1) != 0,
               IsCountedFirst: (flags & 2) != 0);
}
