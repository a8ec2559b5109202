using System.Numerics.Tensors;
using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>
/// The output layer in slices of the vocabulary, from hidden states: what the shards say, put together, and the gradients that
/// they make of it, against the reference on all logits in double.
/// </summary>
public class HeadShardTests
{
    /// <summary>A layer, the first ids of all its shards but the first, and what is asked of them.</summary>
    internal sealed record Draw(string Element, int Tokens, int HiddenSize, int VocabularySize, int[] Starts, int Seed)
    {
        /// <summary>The lowest id of all: beyond it the vocabulary is as always.</summary>
        public long FirstId { get; init; }
        public double LogitSoftCap { get; init; }
        public double LogitScale { get; init; } = 1;
        public bool HasBias { get; init; }
        public bool HasMasks { get; init; }
        public bool HasEntropyGradient { get; init; }
        public bool Accumulates { get; init; }
        public bool IsTight { get; init; }
        public int Threads { get; init; } = 1;

        /// <summary>The whole layer, of numbers that the type has.</summary>
        public HeadProblem Problem<TElement>()
            where TElement : unmanaged
        {
            var random = new Random(Seed);
            var problem = new HeadProblem(Tokens, HiddenSize, VocabularySize, Seed, HasBias)
            {
                Options = new() { LogitSoftCap = LogitSoftCap, LogitScale = LogitScale, Reduction = LossReduction.Sum },
                Targets = [.. TestData.Targets(Tokens, VocabularySize, Seed).Select(target => random.Next(5) == 0 ? -100 : target)],
            };

            // Id 0 stays: no row is without any. A shard may be.
            for (int id = 1; id < VocabularySize && HasBias && HasMasks; id++)
            {
                problem.Bias[id] = random.Next(3) == 0 ? float.NegativeInfinity : problem.Bias[id];
            }

            foreach (float[] values in new[] { problem.Hidden, problem.Weight, problem.Bias })
            {
                foreach (ref float value in values.AsSpan())
                {
                    value = (float)ElementConvert.ToDouble(ElementConvert.FromDouble<TElement>(value));
                }
            }

            return problem;
        }
    }

    [Fact]
    public void Any_shards_give_the_values_and_gradients_of_the_whole_and_the_same_bits_on_more_threads()
        => Check.One(Drawn.Times(300), Prop.ForAll(Arb.From(Draws()), Holds));

    internal static void Holds(Draw drawn)
    {
        switch (drawn.Element)
        {
            case "float":
                Holds<float>(drawn);
                break;
            case "half":
                Holds<Half>(drawn);
                break;
            default:
                Holds<BFloat16>(drawn);
                break;
        }
    }

    private static void Holds<TElement>(Draw drawn)
        where TElement : unmanaged
    {
        var random = new Random(drawn.Seed);
        HeadProblem problem = drawn.Problem<TElement>();
        double[] ofLoss = Gradients(), ofLogSumExp = Gradients(), ofEntropy = drawn.HasEntropyGradient ? Gradients() : new double[drawn.Tokens];
        Shard<TElement>[] shards = Run(threads: 1), others = Run(drawn.Threads);
        foreach ((Shard<TElement> shard, Shard<TElement> other) in shards.Zip(others))
        {
            shard.ShouldBeIdentical(other);
        }

        var judge = new Judge(problem, problem.Expected(), Bounds.Of<TElement>());
        judge.CheckValues([.. shards.Select(shard => shard.LogSumExp)], Whole(shards), [.. shards.Select(shard => shard.TargetLogit)]);
        foreach (Shard<TElement> shard in shards.Where(_ => drawn.FirstId == 0))
        {
            judge.CheckArgMax(shard.ArgMax, shard.Start, shard.Size);
        }

        judge.CheckGradients(
            (ofLoss, ofLogSumExp, ofEntropy),
            [.. shards.Select(shard => (double[])[.. shard.HiddenGradient.Select(ElementConvert.ToDouble)])],
            [.. shards.SelectMany(shard => shard.WeightGradient)],
            [.. shards.SelectMany(shard => shard.BiasGradient)],
            drawn.Accumulates ? Shard<TElement>.Earlier : 0);

        double[] Gradients() => [.. problem.Targets.Select(_ => random.Next(3) == 0 ? 0 : (2 * random.NextDouble()) - 0.5)];

        Shard<TElement>[] Run(int threads)
        {
            int[] bounds = [0, .. drawn.Starts, drawn.VocabularySize];
            Shard<TElement>[] all =
            [
                .. bounds.Zip(bounds[1..], (start, end) => new Shard<TElement>(drawn, problem, start, end - start, threads)),
            ];
            (double[] logSumExp, double[] entropy) = Whole(all);
            foreach (Shard<TElement> shard in all)
            {
                CrossEntropyOutputGradients gradients = new() { Loss = ofLoss, LogSumExp = ofLogSumExp };
                if (drawn.HasEntropyGradient)
                {
                    gradients.Entropy = ofEntropy;
                }

                shard.Differentiate(new() { LogSumExp = logSumExp, Entropy = entropy }, gradients);
            }

            return all;
        }
    }

    /// <summary>What the shards exchange: the log-sum-exps, and the entropies, of whole rows.</summary>
    private static (double[] LogSumExp, double[] Entropy) Whole<TElement>(Shard<TElement>[] shards)
        where TElement : unmanaged
    {
        double[] logSumExp = ShardTests.Exchange([.. shards.Select(shard => shard.LogSumExp)]);
        double[] entropy = [.. logSumExp.Select((lse, token) => lse - shards.Sum(shard =>
        {
            double ofShard = shard.LogSumExp[token];
            return double.IsNegativeInfinity(ofShard) ? 0 : Math.Exp(ofShard - lse) * (ofShard - shard.Entropy[token]);
        }))];
        return (logSumExp, entropy);
    }

    /// <summary>The rows of the weight of one rank, with what it computes.</summary>
    private sealed class Shard<TElement>
        where TElement : unmanaged
    {
        /// <summary>What stands where gradients go.</summary>
        public const float Earlier = 0.25f;

        private readonly TElement[] _hidden;
        private readonly TElement[] _weight;
        private readonly TElement[] _bias;
        private readonly long[] _targets;
        private readonly int _hiddenSize;
        private readonly PtxLossOptions _options;

        public Shard(Draw drawn, HeadProblem problem, int start, int size, int threads)
        {
            (Start, Size, _hiddenSize) = (start, size, problem.HiddenSize);
            _hidden = Converted(problem.Hidden);
            _weight = Converted(problem.Weight[(start * _hiddenSize)..((start + size) * _hiddenSize)]);
            _bias = drawn.HasBias ? Converted(problem.Bias[start..(start + size)]) : [];
            _targets = [.. problem.Targets.Select(target => target < 0 ? target : drawn.FirstId + target)];
            _options = new()
            {
                VocabularyStart = drawn.FirstId + start,
                LogitSoftCap = drawn.LogitSoftCap,
                LogitScale = drawn.LogitScale,
                AccumulateGradient = drawn.Accumulates,
                MaxScratchBytes = drawn.IsTight ? HeadScratch.Needed(1, size, _hiddenSize) : PtxLossOptions.Default.MaxScratchBytes,
                MaxDegreeOfParallelism = threads,
            };
            int tokens = problem.Tokens;
            (LogSumExp, TargetLogit, Entropy) = (new double[tokens], new double[tokens], new double[tokens]);
            ArgMax = drawn.FirstId == 0 ? new int[tokens] : [];
            HiddenGradient = [.. _hidden.Select(_ => ElementConvert.FromDouble<TElement>(Earlier))];
            WeightGradient = [.. Enumerable.Repeat(Earlier, _weight.Length)];
            BiasGradient = [.. Enumerable.Repeat(Earlier, size)];
            CrossEntropy.ForwardFromHidden<TElement, long>(
                Hidden,
                Weight,
                _targets,
                new() { LogSumExp = LogSumExp, TargetLogit = TargetLogit, Entropy = Entropy, ArgMax = ArgMax },
                _options,
                _bias);

            static TElement[] Converted(float[] values) => [.. values.Select(x => ElementConvert.FromDouble<TElement>(x))];
        }

        public int Start { get; }

        public int Size { get; }

        public double[] LogSumExp { get; }

        public double[] TargetLogit { get; }

        public double[] Entropy { get; }

        public int[] ArgMax { get; }

        public TElement[] HiddenGradient { get; }

        public float[] WeightGradient { get; }

        public float[] BiasGradient { get; }

        private ReadOnlyTensorSpan<TElement> Hidden => new(_hidden, [_targets.Length, _hiddenSize]);

        private ReadOnlyTensorSpan<TElement> Weight => new(_weight, [Size, _hiddenSize]);

        public void Differentiate(CrossEntropyOutputs whole, CrossEntropyOutputGradients gradients)
            => CrossEntropy.BackwardFromHidden<TElement, long>(
                Hidden,
                Weight,
                _targets,
                whole,
                gradients,
                new()
                {
                    Hidden = new(HiddenGradient, [_targets.Length, _hiddenSize]),
                    Weight = new(WeightGradient, [Size, _hiddenSize]),
                    Bias = BiasGradient,
                },
                _options,
                _bias);

        public void ShouldBeIdentical(Shard<TElement> other)
        {
            foreach ((double[] values, double[] others) in new[] { (LogSumExp, other.LogSumExp), (TargetLogit, other.TargetLogit), (Entropy, other.Entropy) })
            {
                values.Select(BitConverter.DoubleToInt64Bits).Should().Equal(others.Select(BitConverter.DoubleToInt64Bits));
            }

            ArgMax.Should().Equal(other.ArgMax);
            InFloats(HiddenGradient).ShouldBeIdentical(InFloats(other.HiddenGradient));
            WeightGradient.ShouldBeIdentical(other.WeightGradient);
            BiasGradient.ShouldBeIdentical(other.BiasGradient);

            static float[] InFloats(TElement[] values) => [.. values.Select(x => (float)ElementConvert.ToDouble(x))];
        }
    }

    /// <summary>
    /// The bounds. A logit may be off by δ: by the products of floats, and by the rounding of what is left of a log-sum-exp. So
    /// may each log-sum-exp be, a mean of them, and twice that any x − lse.
    /// </summary>
    private sealed class Judge(HeadProblem problem, ScalarReference expected, Bounds bounds)
    {
        private readonly double _scale = problem.Options.LogitScale;
        private readonly double[] _logits = problem.Logits();
        private readonly double _logit = Math.Max(1, problem.Options.LogitScale) * (problem.LogitError + bounds.Sum);

        /// <summary>∂H/∂z_i is −p_i(log p_i + H), and that of shards has means of logits in place of the entropies.</summary>
        private double EntropyError(int token)
            => (4 * _logit * (1 + Math.Log(problem.VocabularySize) + Math.Abs(expected.LogSumExp[token]))) + (2 * bounds.Entropy);

        public void CheckValues(double[][] ofShards, (double[] LogSumExp, double[] Entropy) whole, double[][] targetLogits)
        {
            bool[] counts = [.. problem.Targets.Select(target => target >= 0)];
            ofShards.Should().OnlyContain(shard => shard.Where((_, token) => !counts[token]).All(lse => lse == 0), "ignored tokens have 0");
            Closeness.ShouldBeClose([.. whole.LogSumExp.Select((lse, token) => counts[token] ? lse : 0)], expected.LogSumExp, _ => 2 * _logit);
            Closeness.ShouldBeClose([.. whole.Entropy.Select((h, token) => counts[token] ? h : 0)], expected.Entropy, EntropyError);
            targetLogits.Select(shard => shard.Count(logit => logit != 0)).Sum().Should().BeLessThanOrEqualTo(
                counts.Count(isTrue => isTrue), "a target is in one shard");
            Closeness.ShouldBeClose(
                [.. counts.Select((_, token) => targetLogits.Sum(shard => shard[token]))], expected.TargetLogit, _ => _logit);
        }

        /// <summary>Of logits that are nearly the same, either may be the largest.</summary>
        public void CheckArgMax(int[] argMax, int start, int size)
        {
            for (int token = 0; token < argMax.Length; token++)
            {
                if (problem.Targets[token] < 0)
                {
                    argMax[token].Should().Be(-1);
                    continue;
                }

                ReadOnlySpan<double> row = _logits.AsSpan((token * problem.VocabularySize) + start, size);
                argMax[token].Should().BeInRange(start, start + size - 1);
                double largest = TensorPrimitives.Max(row), found = row[argMax[token] - start];
                (found == largest || largest - found <= 4 * _logit || IsCapped(found)).Should().BeTrue("{0} is near {1}", found, largest);
            }

            // Where the cap is all but reached, many logits are one float.
            bool IsCapped(double logit) => problem.Options.LogitSoftCap != 0 && logit > 3 * problem.Options.LogitSoftCap;
        }

        public void CheckGradients(
            (double[] OfLoss, double[] OfLogSumExp, double[] OfEntropy) by, double[][] hiddenParts, float[] weight, float[] bias, double earlier)
        {
            var (hidden, ofWeight, ofBias) = problem.Backward(Gradient);
            var (hiddenError, weightError, biasError) = problem.Backward(Error, ofMagnitudes: true);
            double[] sum = [.. hidden.Select((_, i) => hiddenParts.Sum(part => part[i]))];
            double[] rounding = [.. hidden.Select((_, i) => hiddenParts.Sum(part => (bounds.Rounding * Math.Abs(part[i])) + bounds.Smallest))];
            Closeness.ShouldBeClose(sum, hidden, i => hiddenError[i] + rounding[i]);
            CheckSums(weight, ofWeight, weightError);
            CheckSums(bias, ofBias, biasError);

            double Gradient(int i)
            {
                int token = i / problem.VocabularySize;
                return (by.OfLoss[token] * expected.Gradient[i]) + (by.OfLogSumExp[token] * expected.LogSumExpGradient[i])
                    + (by.OfEntropy[token] * expected.EntropyGradient[i]);
            }

            // By what p is off by, and what the entropy is; by the cap's slope, which moves with its logit as 1/c does; and by sums of floats.
            double Error(int i)
            {
                (int token, int id) = Math.DivRem(i, problem.VocabularySize);
                double p = problem.Targets[token] < 0 ? 0 : Probability(i);
                double cap = problem.Options.LogitSoftCap;
                double relative = (3 * _logit) + bounds.Softmax + (cap == 0 ? 0 : 2 * _logit / Math.Min(1, cap));
                double ofLoss = Math.Abs(by.OfLoss[token]) * (p + (problem.Targets[token] == id ? 1 : 0));
                double ofLogSumExp = Math.Abs(by.OfLogSumExp[token]) * p;
                double ofEntropy = Math.Abs(by.OfEntropy[token]) * p;
                double logOfP = p == 0 ? 0 : Math.Abs(Math.Log(p)) + expected.Entropy[token] + 1;
                return (_scale * ((relative * (ofLoss + ofLogSumExp + (ofEntropy * logOfP))) + (ofEntropy * EntropyError(token))))
                    + (Math.Pow(2, -19) * Math.Abs(Gradient(i)));
            }

            void CheckSums(float[] actual, double[] gradient, double[] error)
                => Closeness.ShouldBeClose(
                    TestData.ToDouble(actual),
                    [.. gradient.Select(x => x + earlier)],
                    i => error[i] + (Math.Pow(2, -20) * (earlier + Math.Abs(gradient[i]))) + 1e-37);
        }

        /// <summary>Without the slope of the cap, which may be 0 where p is not.</summary>
        private double Probability(int i)
        {
            double cap = problem.Options.LogitSoftCap, logit = _logits[i];
            double capped = cap == 0 || double.IsInfinity(logit) ? logit : cap * Math.Tanh(logit / cap);
            return Math.Exp((_scale * capped) - expected.LogSumExp[i / problem.VocabularySize]);
        }
    }

    [Fact]
    public void A_shard_of_all_ids_is_the_whole()
    {
        var problem = new HeadProblem(6, 8, 30, seed: 3) { Targets = [3, -100, 29, 0, 5, 2] };
        var shard = new PtxLossOptions { VocabularyStart = 0 };

        (double[] ofShard, float[] shardHidden, float[] shardWeight) = Run(shard);

        (double[] ofWhole, float[] wholeHidden, float[] wholeWeight) = Run(null);
        ofShard.Should().Equal(ofWhole);
        shardHidden.ShouldBeIdentical(wholeHidden);
        shardWeight.ShouldBeIdentical(wholeWeight);

        (double[] LogSumExp, float[] Hidden, float[] Weight) Run(PtxLossOptions? options)
        {
            double[] logSumExp = new double[6];
            float[] hidden = new float[6 * 8], weight = new float[30 * 8];
            ReadOnlyTensorSpan<float> states = new(problem.Hidden, [6, 8]), rows = new(problem.Weight, [30, 8]);
            CrossEntropy.ForwardFromHidden(states, rows, problem.Targets, new() { LogSumExp = logSumExp }, options);
            CrossEntropy.BackwardFromHidden(
                states,
                rows,
                problem.Targets,
                new() { LogSumExp = logSumExp },
                new() { Loss = [1.0, 1, 1, 0.5, -2, 0] },
                new() { Hidden = new(hidden, [6, 8]), Weight = new(weight, [30, 8]) },
                options);
            return (logSumExp, hidden, weight);
        }
    }

    [Theory]
    [InlineData(long.MaxValue - int.MaxValue, 0)]
    [InlineData(5_000_000_000, 4_999_999_999)]
    [InlineData(5_000_000_000, 5_000_000_003)]
    [InlineData(5_000_000_000, long.MaxValue - 1)]
    public void Targets_of_other_shards_add_nothing(long start, long target)
    {
        double[] logSumExp = [77], targetLogit = [77];
        float[] bias = [1, 2, 3], hidden = new float[1], weight = new float[3], ofBias = new float[3];
        ReadOnlyTensorSpan<float> state = new([1f], [1, 1], [0, 0]), rows = new(new float[3], [3, 1]);
        var options = new PtxLossOptions { VocabularyStart = start };

        CrossEntropy.ForwardFromHidden(state, rows, [target], new() { LogSumExp = logSumExp, TargetLogit = targetLogit }, options, bias);
        CrossEntropy.BackwardFromHidden(
            state,
            rows,
            [target],
            new() { LogSumExp = logSumExp },
            new() { Loss = [1.0] },
            new() { Hidden = new(hidden, [1, 1], [0, 0]), Weight = new(weight, [3, 1]), Bias = ofBias },
            options,
            bias);

        targetLogit.Should().Equal(0);
        weight.Sum().Should().BeApproximately(1, 1e-6f, "there is no 1 to subtract");
        ofBias.ShouldBeIdentical(weight); // the hidden state is 1
        hidden.Should().Equal([0], "so are the rows of the weight");
    }

    [Fact]
    public void A_target_of_this_shard_adds_its_logit_even_if_it_is_the_first_or_the_last()
    {
        double[] targetLogit = new double[2];
        float[] hidden = new float[2], weight = new float[3];
        ReadOnlyTensorSpan<float> states = new([1f, 2f], [2, 1]), rows = new([10f, 20f, 30f], [3, 1]);
        long[] targets = [5_000_000_000, 5_000_000_002];
        var options = new PtxLossOptions { VocabularyStart = 5_000_000_000 };

        CrossEntropy.ForwardFromHidden(states, rows, targets, new() { TargetLogit = targetLogit }, options);
        CrossEntropy.BackwardFromHidden(
            states,
            rows,
            targets,
            new() { LogSumExp = [1000, 1000] },
            new() { Loss = [1.0, 3.0] },
            new() { Hidden = new(hidden, [2, 1]), Weight = new(weight, [3, 1]) },
            options);

        targetLogit.Should().Equal(10, 60);
        hidden.Should().Equal(-10, -90);
        weight.Should().Equal(-1, 0, -6);
    }

    [Fact]
    public void A_shard_whose_ids_are_all_masked_adds_nothing()
    {
        float[] masked = [float.NegativeInfinity, float.NegativeInfinity], hidden = [7, 7], weight = [7, 7, 7, 7], ofBias = [7, 7];
        double[] ofMasked = new double[1], other = new double[1];
        ReadOnlyTensorSpan<float> state = new([1f, 1f], [1, 2], [0, 1]), rows = new([1f, 0, 0, 2], [2, 2]);
        PtxLossOptions first = new() { VocabularyStart = 0 }, second = new() { VocabularyStart = 2 };
        CrossEntropy.ForwardFromHidden(state, rows, [3], new() { LogSumExp = ofMasked }, first, masked);
        CrossEntropy.ForwardFromHidden(state, rows, [3], new() { LogSumExp = other }, second);

        double[] logSumExp = ShardTests.Exchange([ofMasked, other]);
        CrossEntropy.BackwardFromHidden(
            state,
            rows,
            [3],
            new() { LogSumExp = logSumExp },
            new() { Loss = [1.0] },
            new() { Hidden = new(hidden, [1, 2], [0, 1]), Weight = new(weight, [2, 2]), Bias = ofBias },
            first,
            masked);

        ofMasked.Should().Equal(double.NegativeInfinity);
        logSumExp[0].Should().BeApproximately(Math.Log(Math.Exp(1) + Math.Exp(2)), 1e-6);
        hidden.Concat(weight).Concat(ofBias).Should().OnlyContain(x => x == 0);
    }

    [Fact]
    public void ArgMax_goes_up_to_the_last_id_that_it_can_hold()
    {
        int[] argMax = [77];
        ReadOnlyTensorSpan<float> state = new([1f], [1, 1], [0, 0]), rows = new([1f, 2, 3], [3, 1]);

        CrossEntropy.ForwardFromHidden(state, rows, [0], new() { ArgMax = argMax }, new() { VocabularyStart = int.MaxValue - 2 });

        argMax.Should().Equal(int.MaxValue);
    }

    [Fact]
    public void What_needs_whole_rows_is_refused_on_a_shard()
    {
        const string noSmoothing = "options.LabelSmoothing is 0.1, but must be 0 where options.VocabularyStart is set: *";
        double[] outputs = [7, 7, 7], ones = [1, 1, 1];
        int[] argMax = [7, 7, 7];
        float[] gradients = [.. Enumerable.Repeat(7f, 12 + 20 + 5)];
        var shard = new PtxLossOptions { VocabularyStart = 100 };
        PtxLossOptions smoothed = new() { VocabularyStart = 0, LabelSmoothing = 0.1 }, last = new() { VocabularyStart = int.MaxValue - 3L };

        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 1, 2], new() { Loss = outputs }, shard),
            "outputs.Loss must be empty where options.VocabularyStart is set: *",
            "outputs");
        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = outputs, ArgMax = argMax }, last),
            "outputs.ArgMax must be empty where ids reach 2147483648: *",
            "outputs");
        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = outputs }, smoothed), noSmoothing, "options");
        Refuses(
            () => CrossEntropy.BackwardFromHidden(
                OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = ones }, new() { Loss = ones }, In(gradients), smoothed),
            noSmoothing,
            "options");
        Refuses(
            () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(0, OfTokens, OfIds, [0, 1, 2], 1, In(gradients), shard),
            "options.VocabularyStart is 100, but must be null here: the loss needs whole rows of logits; *",
            "options");

        outputs.Should().OnlyContain(x => x == 7);
        argMax.Should().OnlyContain(x => x == 7);
        gradients.Should().OnlyContain(x => x == 7);
    }

    [Fact]
    public void Only_of_a_shard_may_a_target_be_any_id()
    {
        const string noId = "targets[1] is -5, which is outside [0, 9223372036854775807) and is not the ignored -100.*";
        double[] ones = [1, 1, 1];
        float[] gradients = [.. Enumerable.Repeat(7f, 12 + 20 + 5)];
        var shard = new PtxLossOptions { VocabularyStart = 0 };

        CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 5, 1_000_000], default, shard);

        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 5, 2], default),
            "targets[1] is 5, which is outside [0, 5) and is not the ignored -100.*",
            "targets");
        Refuses(() => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, -5, 2], default, shard), noId, "targets");
        Refuses(
            () => CrossEntropy.BackwardFromHidden(
                OfTokens, OfIds, [0, -5, 2], new() { LogSumExp = ones }, new() { Loss = ones }, In(gradients), shard),
            noId,
            "targets");

        gradients.Should().OnlyContain(x => x == 7);
    }

    private static ReadOnlyTensorSpan<float> OfTokens => new(new float[12], [3, 4]);

    private static ReadOnlyTensorSpan<float> OfIds => new(new float[20], [5, 4]);

    private static HiddenGradients<float> In(float[] memory)
        => new() { Hidden = new(memory, 0, [3, 4], []), Weight = new(memory, 12, [5, 4], []), Bias = memory.AsSpan(32) };

    private static void Refuses(Action call, string message, string parameter)
        => call.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(parameter);

    internal static Gen<Draw> Draws()
        => from element in Gen.Elements("float", "float", "half", "bfloat16")
           from tokens in Gen.Choose(1, 12)
           from hiddenSize in Gen.Elements(1, 3, 16, 33, 100)
           from vocabularySize in Gen.Frequency((5, Gen.Choose(2, 40)), (3, Gen.Choose(41, 1500)))
           from starts in Gen.Resize(Gen.ListOf(Gen.Choose(1, vocabularySize - 1)), 6)
           from seed in Gen.Choose(0, 1_000_000)
           from firstId in Gen.Elements(0L, 0, 5_000_000_000)
           from cap in Gen.Elements(0.0, 0, 2, 30)
           from scale in Gen.Elements(1.0, 1, 0.25, 1.7)
           from threads in Gen.Elements(2, 3, 7, -1)
           from flags in Gen.Choose(0, 31)
           select new Draw(element, tokens, hiddenSize, vocabularySize, [.. starts.Distinct().Order()], seed)
           {
               FirstId = firstId,
               LogitSoftCap = cap,
               LogitScale = scale,
               Threads = threads,
               HasBias = (flags & 1) != 0,
               HasMasks = (flags & 2) != 0,
               HasEntropyGradient = (flags & 4) != 0,
               Accumulates = (flags & 8) != 0,
               IsTight = (flags & 16) != 0,
           };
}
