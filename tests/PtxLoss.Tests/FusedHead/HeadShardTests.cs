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
    [Fact]
    public void Any_shards_give_the_values_and_gradients_of_the_whole_and_the_same_bits_on_more_threads()
        => Check.One(Drawn.Times(300), Prop.ForAll(Arb.From(HeadShardDraw.All), Holds));

    internal static void Holds(HeadShardDraw drawn) => ElementNames.Run(drawn.Element, new Property(drawn));

    private sealed record Property(HeadShardDraw Drawn) : IElementCase<bool>
    {
        public bool Run<TElement>()
            where TElement : unmanaged
        {
            Holds<TElement>(Drawn);
            return true;
        }
    }

    private static void Holds<TElement>(HeadShardDraw drawn)
        where TElement : unmanaged
    {
        var random = new Random(drawn.Seed);
        HeadProblem problem = drawn.Problem<TElement>();
        double[] ofLoss = Gradients(), ofLogSumExp = Gradients();
        double[] ofEntropy = drawn.HasEntropyGradient ? Gradients() : new double[drawn.Tokens];
        HeadShard<TElement>[] shards = Run(threads: 1), others = Run(drawn.Threads);
        foreach ((HeadShard<TElement> shard, HeadShard<TElement> other) in shards.Zip(others))
        {
            shard.ShouldBeIdentical(other);
        }

        var judge = new HeadShardJudge(problem, problem.Expected(), Bounds.Of<TElement>());
        judge.CheckValues(
            [.. shards.Select(shard => shard.LogSumExp)],
            HeadShard<TElement>.Whole(shards),
            [.. shards.Select(shard => shard.TargetLogit)]);
        foreach (HeadShard<TElement> shard in shards.Where(_ => drawn.FirstId == 0))
        {
            judge.CheckArgMax(shard.ArgMax, shard.Start, shard.Size);
        }

        judge.CheckGradients(
            (ofLoss, ofLogSumExp, ofEntropy),
            [.. shards.Select(shard => (double[])[.. shard.HiddenGradient.Select(ElementConvert.ToDouble)])],
            [.. shards.SelectMany(shard => shard.WeightGradient)],
            [.. shards.SelectMany(shard => shard.BiasGradient)],
            drawn.Accumulates ? HeadShard<TElement>.Earlier : 0);

        double[] Gradients() => [.. problem.Targets.Select(_ => random.Next(3) == 0 ? 0 : (2 * random.NextDouble()) - 0.5)];

        HeadShard<TElement>[] Run(int threads)
        {
            int[] bounds = [0, .. drawn.Starts, drawn.VocabularySize];
            HeadShard<TElement>[] all =
            [
                .. bounds.Zip(bounds[1..], (start, end) => new HeadShard<TElement>(drawn, problem, start, end - start, threads)),
            ];
            (double[] logSumExp, double[] entropy) = HeadShard<TElement>.Whole(all);
            foreach (HeadShard<TElement> shard in all)
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

        CrossEntropy.ForwardFromHidden(
            state, rows, [target], new() { LogSumExp = logSumExp, TargetLogit = targetLogit }, options, bias);
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
        float[] masked = [float.NegativeInfinity, float.NegativeInfinity], hidden = [7, 7], weight = [7, 7, 7, 7];
        float[] ofBias = [7, 7];
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
}
