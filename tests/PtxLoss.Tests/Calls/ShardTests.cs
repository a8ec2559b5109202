using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// A vocabulary in slices, as the ranks of a tensor-parallel model hold it: what they exchange, and the gradient that each
/// makes of it, against the reference over whole rows.
/// </summary>
public class ShardTests
{
    private const int VocabularySize = 100;
    private static readonly float[] _logits = TestData.Logits(4 * VocabularySize, seed: 6);
    private static readonly int[] _targets = [99, -100, 0, 40];
    private static readonly double[] _ones = [1, 1, 1, 1];

    /// <summary>Rows of logits and the first ids of all slices but that of id 0.</summary>
    public sealed record Draw(string Element, int Tokens, int VocabularySize, int[] Starts, int Seed)
    {
        public double ZLossCoefficient { get; init; }
        public double LogitSoftCap { get; init; }
        public double LogitScale { get; init; } = 1;
        public bool HasMasks { get; init; }
        public bool IsInPlace { get; init; }
        public int Threads { get; init; } = 1;
    }

    [Fact]
    public void Any_slices_give_the_loss_and_gradient_of_whole_rows()
        => Check.One(Drawn.Times(200), Prop.ForAll(Arb.From(Draws()), Holds));

    internal static void Holds(Draw drawn) => ElementNames.Run(drawn.Element, new Property(drawn));

    private sealed record Property(Draw Drawn) : IElementCase<bool>
    {
        public bool Run<TElement>()
            where TElement : unmanaged
        {
            Holds<TElement>(Drawn);
            return true;
        }
    }

    private static void Holds<TLogit>(Draw drawn)
        where TLogit : unmanaged
    {
        int tokens = drawn.Tokens, vocabularySize = drawn.VocabularySize;
        var random = new Random(drawn.Seed);
        TLogit[] logits = [.. TestData.Logits(tokens * vocabularySize, drawn.Seed).Select(
            x => ElementConvert.FromDouble<TLogit>(drawn.HasMasks && random.Next(8) == 0 ? double.NegativeInfinity : x))];
        long[] targets = [.. Enumerable.Range(0, tokens).Select(
            _ => random.Next(5) == 0 ? -100 : random.NextInt64(vocabularySize))];
        double[] scale = [.. targets.Select(_ => random.Next(6) == 0 ? 0 : (2 * random.NextDouble()) - 0.5)];
        var options = new PtxLossOptions
        {
            LogitSoftCap = drawn.LogitSoftCap,
            LogitScale = drawn.LogitScale,
            MaxDegreeOfParallelism = drawn.Threads,
        };

        Rank<TLogit>[] ranks = [.. Rank<TLogit>.Share(logits, targets, vocabularySize, drawn.Starts, options)];
        double[] logSumExp = Exchange([.. ranks.Select(rank => rank.LogSumExp)]);
        double[] targetLogit = [.. Enumerable.Range(0, tokens).Select(t => ranks.Sum(rank => rank.TargetLogit[t]))];
        double[] gradient = new double[logits.Length];
        float[] weights = [.. targets.Select(_ => random.Next(5) == 0 ? 0 : 2 * random.NextSingle())];
        var whole = options with { ZLossCoefficient = drawn.ZLossCoefficient };
        foreach (Rank<TLogit> rank in ranks)
        {
            rank.Differentiate(logSumExp, scale, drawn.ZLossCoefficient, drawn.IsInPlace, gradient, vocabularySize);
        }

        Bounds bounds = Bounds.Of<TLogit>();
        double[] exact = [.. logits.Select(ElementConvert.ToDouble)];
        ScalarReference expected = ScalarReference.Compute<double, long>(
            0, exact, targets, vocabularySize, 1, whole with { Reduction = LossReduction.Sum });
        Closeness.ShouldBeClose(
            [.. logSumExp.Select((x, t) => targets[t] < 0 ? 0 : x)],
            // −inf − −inf; the loss is NaN both ways.
            [.. expected.LogSumExp.Select(x => double.IsNegativeInfinity(x) ? double.NaN : x)],
            _ => bounds.Sum);
        ScalarReference loss = ScalarReference.Compute<double, long>(1.5, exact, targets, vocabularySize, 0.1, whole, weights);
        PtxLossResult result = AddUp(targets, logSumExp, targetLogit, weights, whole).ToResult(1.5, 0.1);
        result.TokenCount.Should().Be(loss.TokenCount);
        Closeness.ShouldBeClose(
            [result.LanguageModelLoss, result.ZLoss, result.Total],
            [loss.LanguageModelLoss, double.IsInfinity(loss.ZLoss) ? double.NaN : loss.ZLoss, loss.Total], // as above
            i => bounds.Sum * (i == 1 ? 50 : 1));
        Closeness.ShouldBeClose(targetLogit, expected.TargetLogit, t => 1e-13 * (1 + Math.Abs(expected.TargetLogit[t])));
        Closeness.ShouldBeClose(
            gradient,
            [.. expected.Gradient.Select((g, i) => scale[i / vocabularySize] == 0 ? 0 : g * scale[i / vocabularySize])],
            i =>
            {
                (int token, int id) = Math.DivRem(i, vocabularySize);
                return bounds.OfGradient(
                    exact[i],
                    id == targets[token],
                    expected.LogSumExp[token],
                    scale[token],
                    Math.Abs(expected.Gradient[i] * scale[token]),
                    vocabularySize,
                    whole);
            });
    }

    /// <summary>What the ranks together know of the losses of the tokens, added up.</summary>
    private static PtxLossAccumulator AddUp(
        long[] targets, double[] logSumExp, double[] targetLogit, float[] weights, PtxLossOptions options)
    {
        double loss = 0, zLoss = 0;
        for (int token = 0; token < targets.Length; token++)
        {
            if (targets[token] >= 0 && weights[token] > 0)
            {
                loss += weights[token] * (logSumExp[token] - targetLogit[token]);
                zLoss += options.ZLossCoefficient == 0 ? 0 : weights[token] * logSumExp[token] * logSumExp[token];
            }
        }

        var losses = new PtxLossAccumulator();
        losses.Add(
            loss,
            PtxLoss.Denominator(targets, options, weights),
            zLoss,
            (long)PtxLoss.Denominator(targets, options),
            options: options);
        return losses;
    }

    /// <summary>What an all-reduce of the maximum and one of the sum make of the shards' log-sum-exps.</summary>
    internal static double[] Exchange(double[][] ofShards)
        => [.. ofShards[0].Select((_, token) =>
        {
            double max = ofShards.Max(shard => shard[token]);
            return max + Math.Log(ofShards.Sum(shard => Math.Exp(shard[token] - max)));
        })];

    private sealed class Rank<TLogit>
        where TLogit : unmanaged
    {
        private readonly TLogit[] _logits;
        private readonly long[] _targets;
        private readonly int _size;
        private readonly PtxLossOptions _options;

        private Rank(TLogit[] logits, long[] targets, int size, PtxLossOptions options)
        {
            (_logits, _targets, _size, _options) = (logits, targets, size, options);
            (LogSumExp, TargetLogit) = (new double[targets.Length], new double[targets.Length]);
            CrossEntropy.Forward(logits, targets, size, new() { LogSumExp = LogSumExp, TargetLogit = TargetLogit }, options);
        }

        public double[] LogSumExp { get; }

        public double[] TargetLogit { get; }

        public static IEnumerable<Rank<TLogit>> Share(
            TLogit[] logits, long[] targets, int vocabularySize, int[] starts, PtxLossOptions options)
        {
            int[] bounds = [0, .. starts, vocabularySize];
            return bounds.Zip(bounds[1..]).Select(bound =>
            {
                TLogit[] slice = [.. logits.Where(
                    (_, i) => i % vocabularySize >= bound.First && i % vocabularySize < bound.Second)];
                return new Rank<TLogit>(
                    slice, targets, bound.Second - bound.First, options with { VocabularyStart = bound.First });
            });
        }

        /// <summary>The gradient of scale · (loss + β·lse²).</summary>
        public void Differentiate(
            double[] logSumExp, double[] scale, double beta, bool inPlace, double[] whole, int vocabularySize)
        {
            TLogit[] gradient = inPlace ? _logits : new TLogit[_logits.Length];
            double[] ofLogSumExp = beta == 0 ? [] : [.. scale.Select((s, token) => s == 0 ? 0 : 2 * beta * s * logSumExp[token])];
            CrossEntropy.Backward(
                _logits,
                _targets,
                _size,
                new() { LogSumExp = logSumExp },
                new() { Loss = scale, LogSumExp = ofLogSumExp },
                gradient,
                _options);
            for (int i = 0; i < gradient.Length; i++)
            {
                whole[(i / _size * vocabularySize) + (int)_options.VocabularyStart! + (i % _size)] =
                    ElementConvert.ToDouble(gradient[i]);
            }
        }
    }

    [Fact]
    public void A_shard_of_all_ids_is_the_whole()
    {
        double[] logSumExp = new double[4], whole = new double[4];
        float[] gradient = new float[_logits.Length], wholeGradient = new float[_logits.Length];
        var shard = new PtxLossOptions { VocabularyStart = 0 };

        CrossEntropy.Forward(_logits, _targets, VocabularySize, new() { LogSumExp = logSumExp }, shard);
        CrossEntropy.Forward(_logits, _targets, VocabularySize, new() { LogSumExp = whole });
        CrossEntropy.Backward(
            _logits, _targets, VocabularySize, new() { LogSumExp = logSumExp }, new() { Loss = _ones }, gradient, shard);
        CrossEntropy.Backward(
            _logits, _targets, VocabularySize, new() { LogSumExp = whole }, new() { Loss = _ones }, wholeGradient);

        logSumExp.Should().Equal(whole);
        gradient.ShouldBeIdentical(wholeGradient);
    }

    [Fact]
    public void Entropy_is_that_of_the_shard_and_ArgMax_is_an_id_of_the_vocabulary()
    {
        double[] entropy = new double[4];
        int[] argMax = new int[4];
        CrossEntropy.Forward(
            _logits,
            _targets,
            VocabularySize,
            new() { Entropy = entropy, ArgMax = argMax },
            new() { VocabularyStart = 1_000_000 });

        int[] all = [.. _targets.Select(target => Math.Max(target, -100))];
        ScalarReference expected = ScalarReference.Compute<float, int>(0, _logits, all, VocabularySize, 1);
        Closeness.ShouldBeClose(entropy, expected.Entropy, _ => 5e-6);
        argMax.Should().Equal(expected.ArgMax.Select(id => id < 0 ? -1 : 1_000_000 + id));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(3000)]
    public void Shards_know_the_entropy_of_the_whole_and_its_gradient(int vocabularySize)
    {
        double[] logits = TestData.ToDouble(TestData.Logits(3 * vocabularySize, seed: 16)), ofEntropy = [0.7, -2, 1];
        double[] ofLoss = [1, 0.5, 0];
        long[] targets = [0, 17, vocabularySize - 1];
        double[] lse = new double[3], entropy = new double[3], expected = new double[logits.Length];
        double[] gradient = new double[logits.Length];
        CrossEntropyOutputGradients gradients = new() { Loss = ofLoss, Entropy = ofEntropy };
        CrossEntropy.Forward(logits, targets, vocabularySize, new() { LogSumExp = lse, Entropy = entropy });
        CrossEntropy.Backward(logits, targets, vocabularySize, new() { LogSumExp = lse, Entropy = entropy }, gradients, expected);
        int[] bounds = [0, 30, 31, vocabularySize];

        double[][] slices = [.. bounds.Zip(
            bounds[1..],
            (start, end) => logits.Where((_, i) => i % vocabularySize >= start && i % vocabularySize < end).ToArray())];
        double[][] lses = [new double[3], new double[3], new double[3]];
        double[][] entropies = [new double[3], new double[3], new double[3]];
        for (int s = 0; s < slices.Length; s++)
        {
            CrossEntropy.Forward(
                slices[s],
                targets,
                slices[s].Length / 3,
                new() { LogSumExp = lses[s], Entropy = entropies[s] },
                new() { VocabularyStart = bounds[s] });
        }

        double[] all = Exchange(lses);
        double[] whole = [.. all.Select(
            (lse, t) => lse - Enumerable.Range(0, 3).Sum(s => Math.Exp(lses[s][t] - lse) * (lses[s][t] - entropies[s][t])))];
        Closeness.ShouldBeClose(whole, entropy, _ => 1e-11);
        for (int s = 0; s < slices.Length; s++)
        {
            int size = slices[s].Length / 3;
            CrossEntropy.Backward(
                slices[s],
                targets,
                size,
                new() { LogSumExp = all, Entropy = whole },
                gradients,
                slices[s],
                new() { VocabularyStart = bounds[s] });
            for (int i = 0; i < slices[s].Length; i++)
            {
                gradient[(i / size * vocabularySize) + bounds[s] + (i % size)] = slices[s][i];
            }
        }

        Closeness.ShouldBeClose(gradient, expected, i => 1e-11 * (1e-2 + Math.Abs(expected[i])));
    }

    [Fact]
    public void ArgMax_goes_up_to_the_last_id_that_it_can_hold()
    {
        int[] argMax = [77];

        CrossEntropy.Forward([1.0, 2, 3], [0], 3, new() { ArgMax = argMax }, new() { VocabularyStart = int.MaxValue - 2 });

        argMax.Should().Equal(int.MaxValue);
    }

    [Theory]
    [InlineData(long.MaxValue - int.MaxValue, 0)]
    [InlineData(5_000_000_000, 4_999_999_999)]
    [InlineData(5_000_000_000, 5_000_000_003)]
    [InlineData(5_000_000_000, long.MaxValue - 1)]
    public void Targets_of_other_shards_add_nothing(long start, long target)
    {
        double[] targetLogit = [77], logSumExp = [77], gradient = new double[3];
        var options = new PtxLossOptions { VocabularyStart = start };

        CrossEntropy.Forward([1.0, 2, 3], [target], 3, new() { TargetLogit = targetLogit, LogSumExp = logSumExp }, options);
        CrossEntropy.Backward(
            [1.0, 2, 3], [target], 3, new() { LogSumExp = logSumExp }, new() { Loss = [1.0] }, gradient, options);

        targetLogit.Should().Equal(0);
        gradient.Sum().Should().BeApproximately(1, 1e-12, "there is no 1 to subtract");
    }

    [Fact]
    public void A_target_of_this_shard_adds_its_logit_even_if_it_is_the_first_or_the_last()
    {
        double[] targetLogit = new double[2], gradient = new double[6];
        var options = new PtxLossOptions { VocabularyStart = 5_000_000_000 };

        CrossEntropy.Forward(
            [1.0, 2, 3, 4, 5, 6], [5_000_000_000, 5_000_000_002], 3, new() { TargetLogit = targetLogit }, options);
        CrossEntropy.Backward(
            [1.0, 2, 3, 4, 5, 6],
            [5_000_000_000, 5_000_000_002],
            3,
            new() { LogSumExp = [1000, 1000] },
            new() { Loss = [1.0, 2.0] },
            gradient,
            options);

        targetLogit.Should().Equal(1, 6);
        gradient.Should().Equal(-1, 0, 0, 0, 0, -2);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(300)]
    public void A_target_of_another_shard_adds_nothing_to_an_earlier_gradient_either(int vocabularySize)
    {
        double[] logits = new double[vocabularySize], gradient = [.. Enumerable.Repeat(0.5, vocabularySize)];
        var options = new PtxLossOptions { VocabularyStart = 1000, AccumulateGradient = true };

        CrossEntropy.Backward(
            logits,
            [7],
            vocabularySize,
            new() { LogSumExp = (double[])[Math.Log(2 * vocabularySize)] },
            new() { Loss = [1.0] },
            gradient,
            options);

        Closeness.ShouldBeClose(gradient, [.. logits.Select(_ => 0.5 + (0.5 / vocabularySize))], _ => 1e-12);
    }

    [Fact]
    public void A_slice_that_is_masked_adds_nothing_to_the_row()
    {
        float[] masked = [float.NegativeInfinity, float.NegativeInfinity];
        double[] ofMasked = new double[1], other = new double[1];
        CrossEntropy.Forward(masked, [3], 2, new() { LogSumExp = ofMasked }, new() { VocabularyStart = 0 });
        CrossEntropy.Forward([1f, 2f], [3], 2, new() { LogSumExp = other }, new() { VocabularyStart = 2 });

        double[] logSumExp = Exchange([ofMasked, other]);
        CrossEntropy.Backward(
            masked, [3], 2, new() { LogSumExp = logSumExp }, new() { Loss = [1.0] }, masked, new() { VocabularyStart = 0 });

        logSumExp[0].Should().BeApproximately(Math.Log(Math.Exp(1) + Math.Exp(2)), 1e-12);
        masked.Should().Equal(0, 0);
    }

    [Fact]
    public void What_needs_whole_rows_is_refused_on_a_shard()
    {
        var shard = new PtxLossOptions { VocabularyStart = 100 };
        var smoothed = new PtxLossOptions { VocabularyStart = 0, LabelSmoothing = 0.1 };
        float[] logits = [.. _logits], gradient = [.. Enumerable.Repeat(7f, _logits.Length)];
        double[] outputs = [7, 7, 7, 7];
        int[] argMax = [7, 7, 7, 7];

        Refuses(
            () => CrossEntropy.Forward(logits, _targets, VocabularySize, new() { Loss = outputs }, shard),
            "outputs.Loss must be empty where options.VocabularyStart is set: *", "outputs");
        Refuses(
            () => CrossEntropy.Forward(
                logits, _targets, VocabularySize, new() { ArgMax = argMax }, new() { VocabularyStart = int.MaxValue - 98L }),
            "outputs.ArgMax must be empty where ids reach 2147483648: *", "outputs");
        Refuses(
            () => CrossEntropy.Forward(logits, _targets, VocabularySize, new() { LogSumExp = outputs }, smoothed),
            "options.LabelSmoothing is 0.1, but must be 0 where options.VocabularyStart is set: *", "options");
        Refuses(
            () => CrossEntropy.Backward(
                logits, _targets, VocabularySize, new() { LogSumExp = _ones }, new() { Loss = _ones }, gradient, smoothed),
            "options.LabelSmoothing is 0.1, but must be 0 where options.VocabularyStart is set: *", "options");
        Refuses(
            () => PtxLoss.Compute(0, logits, _targets, VocabularySize, 1, shard),
            "options.VocabularyStart is 100, but must be null here: the loss needs whole rows of logits; *", "options");
        Refuses(
            () => PtxLoss.ComputeWithGradient(0, logits, _targets, VocabularySize, 1, gradient, shard),
            "options.VocabularyStart is 100, but must be null here: *", "options");
        Refuses(
            () => PtxLoss.ComputeFromHidden<float, int>(0, new(logits, [4, 100]), new(logits, [4, 100]), _targets, 1, shard),
            "options.VocabularyStart is 100, but must be null here: *", "options");

        gradient.Should().OnlyContain(x => x == 7);
        outputs.Should().OnlyContain(x => x == 7);
        argMax.Should().OnlyContain(x => x == 7);
    }

    [Theory]
    [InlineData(-1, "options.VocabularyStart is -1, but must be from 0 to 2^63 - 2^31, or null.*")]
    [InlineData(
        long.MaxValue - int.MaxValue + 1,
        "options.VocabularyStart is 9223372034707292161, but must be from 0 to 2^63 - 2^31, or null.*")]
    public void A_start_that_is_no_id_is_refused(long start, string message)
        => Refuses(
            () => CrossEntropy.Forward(_logits, _targets, VocabularySize, default, new() { VocabularyStart = start }),
            message,
            "options");

    [Fact]
    public void A_target_that_is_no_id_is_refused_on_a_shard_too()
        => Refuses(
            () => CrossEntropy.Forward(_logits, [0, 500, -5, -100], VocabularySize, default, new() { VocabularyStart = 0 }),
            "targets[2] is -5, which is outside [0, 9223372036854775807) and is not the ignored -100.*",
            "targets");

    [Fact]
    public void Setting_the_start_is_what_makes_a_shard()
    {
        Refuses(
            () => CrossEntropy.Forward(_logits, [0, 1, 2, VocabularySize], VocabularySize, default),
            "targets[3] is 100, *",
            "targets");
        CrossEntropy.Forward(_logits, [0, 1, 2, VocabularySize], VocabularySize, default, new() { VocabularyStart = 0 });
    }

    private static void Refuses(Action call, string message, string parameter)
        => call.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(parameter);

    internal static Gen<Draw> Draws()
        => from element in Drawn.Element
           from tokens in Gen.Choose(1, 6)
           from vocabularySize in Gen.Frequency(
               (5, Gen.Choose(2, 40)), (5, Gen.Choose(41, 3000)), (1, Gen.Choose(40_000, 70_000)))
           from starts in Gen.ListOf(Gen.Choose(1, vocabularySize - 1))
           from seed in Gen.Choose(0, 1_000_000)
           from zLoss in Gen.Elements(0.0, 0.01)
           from cap in Gen.Elements(0.0, 30)
           from scale in Gen.Elements(1.0, 1, 0.5, 1.7)
           from threads in Gen.Elements(1, -1)
           from flags in Gen.Choose(0, 3)
           select new Draw(element, tokens, vocabularySize, [.. starts.Distinct().Order()], seed)
           {
               ZLossCoefficient = zLoss,
               LogitSoftCap = cap,
               LogitScale = scale,
               HasMasks = (flags & 1) != 0,
               IsInPlace = (flags & 2) != 0,
               Threads = threads,
           };
}
