using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>A layer, the first ids of all its shards but the first, and what is asked of them.</summary>
internal sealed record HeadShardDraw(string Element, int Tokens, int HiddenSize, int VocabularySize, int[] Starts, int Seed)
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
            Targets = [.. TestData.Targets(Tokens, VocabularySize, Seed).Select(
                target => random.Next(5) == 0 ? -100 : target)],
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

    public static Gen<HeadShardDraw> All
        => from element in Drawn.ElementOfHead
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
           select new HeadShardDraw(element, tokens, hiddenSize, vocabularySize, [.. starts.Distinct().Order()], seed)
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
