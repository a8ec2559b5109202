using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>The rows of the weight of one rank, with what it computes.</summary>
internal sealed class HeadShard<TElement>
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

    public HeadShard(HeadShardDraw drawn, HeadProblem problem, int start, int size, int threads)
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
            MaxScratchBytes = drawn.IsTight
                ? HeadScratch.Needed(1, size, _hiddenSize)
                : PtxLossOptions.Default.MaxScratchBytes,
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

    public void ShouldBeIdentical(HeadShard<TElement> other)
    {
        foreach ((double[] values, double[] others) in new[]
        {
            (LogSumExp, other.LogSumExp), (TargetLogit, other.TargetLogit), (Entropy, other.Entropy),
        })
        {
            values.Select(BitConverter.DoubleToInt64Bits).Should().Equal(others.Select(BitConverter.DoubleToInt64Bits));
        }

        ArgMax.Should().Equal(other.ArgMax);
        InFloats(HiddenGradient).ShouldBeIdentical(InFloats(other.HiddenGradient));
        WeightGradient.ShouldBeIdentical(other.WeightGradient);
        BiasGradient.ShouldBeIdentical(other.BiasGradient);

        static float[] InFloats(TElement[] values) => [.. values.Select(x => (float)ElementConvert.ToDouble(x))];
    }

    /// <summary>What the shards exchange: the log-sum-exps, and the entropies, of whole rows.</summary>
    public static (double[] LogSumExp, double[] Entropy) Whole(HeadShard<TElement>[] shards)
    {
        double[] logSumExp = ShardTests.Exchange([.. shards.Select(shard => shard.LogSumExp)]);
        double[] entropy = [.. logSumExp.Select((lse, token) => lse - shards.Sum(shard =>
        {
            double ofShard = shard.LogSumExp[token];
            return double.IsNegativeInfinity(ofShard) ? 0 : Math.Exp(ofShard - lse) * (ofShard - shard.Entropy[token]);
        }))];
        return (logSumExp, entropy);
    }
}
