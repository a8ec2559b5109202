using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>What takes hidden states.</summary>
public enum HeadEntry
{
    Compute,
    ComputeWithGradient,
    Forward,
    Backward,
}

/// <summary>
/// A call from hidden states that was drawn, of any entry with any options on any type. Its text is what a failure prints, and
/// all that it takes to repeat it.
/// </summary>
public sealed record HeadDraw(HeadEntry Entry, string Element, int Tokens, int HiddenSize, int VocabularySize, int Seed)
{
    public double Coefficient { get; init; } = 1;
    public double LabelSmoothing { get; init; }
    public double ZLossCoefficient { get; init; }
    public double LogitSoftCap { get; init; }
    public double LogitScale { get; init; } = 1;
    public LossReduction Reduction { get; init; }
    public double? Denominator { get; init; }
    public TargetWeighting Weighting { get; init; }
    public LossStatistics Statistics { get; init; }

    /// <summary>How many ids with a probability each token has, instead of a target: 0 for a target.</summary>
    public int IdsPerToken { get; init; }

    /// <summary>Whether the call is given a part of the vocabulary, and targets anywhere in it.</summary>
    public bool IsShard { get; init; }
    public bool HasBias { get; init; }
    public bool HasMasks { get; init; }
    public bool HasWeights { get; init; }
    public bool Accumulates { get; init; }

    /// <summary>For how many tokens at a time there is room; 0 for all of them.</summary>
    public int TokensAtATime { get; init; }

    /// <summary>Elements between rows of whatever has rows.</summary>
    public int Gap { get; init; }
    public int Threads { get; init; } = 1;

    /// <summary>
    /// Which of the outputs of a forward pass are wanted, and which gradients a backward pass is given: a bit each.
    /// </summary>
    public int Outputs { get; init; } = 31;

    /// <summary>Which of the gradients of hidden states, weight and bias are wanted: a bit each.</summary>
    public int Gradients { get; init; } = 7;

    public bool IsPerToken => Entry is HeadEntry.Forward or HeadEntry.Backward;

    public bool WantsGradient => Entry is HeadEntry.ComputeWithGradient or HeadEntry.Backward;

    public bool IsSoft => IdsPerToken > 0;

    public static Gen<HeadDraw> All
        => from entry in Gen.Elements(Enum.GetValues<HeadEntry>())
           from element in Drawn.ElementOfHead
           from tokens in Gen.Frequency((1, Gen.Constant(0)), (30, Gen.Choose(1, 40)))
           from hiddenSize in Gen.Elements(1, 3, 16, 33, 64, 400)
           from vocabularySize in Gen.Frequency((5, Gen.Choose(1, 40)), (3, Gen.Choose(41, 1500)))
           from seed in Gen.Choose(0, 1_000_000)
           from coefficient in Gen.Elements(0.1, 1, -2)
           from smoothing in Gen.Elements(0.0, 0, 0.1, 0.7)
           from zLoss in Gen.Elements(0.0, 0, 1e-4, 0.01)
           from cap in Gen.Elements(0.0, 0, 2, 30)
           from scale in Gen.Elements(1.0, 1, 0.25, 1.7)
           from divisor in Drawn.ReductionAndDenominator
           from weighting in Drawn.Weighting
           from statistics in Drawn.Statistics
           from idsPerToken in Drawn.IdsPerToken
           from tokensAtATime in Gen.Elements(0, 0, 1, 1, 7)
           from gap in Gen.Elements(0, 0, 5)
           from threads in Gen.Elements(2, 3, 7, -1)
           from outputs in Gen.Choose(0, 31)
           from gradients in Gen.Frequency((3, Gen.Constant(7)), (2, Gen.Choose(0, 7)))
           from flags in Gen.Choose(0, 31)
           select new HeadDraw(entry, element, tokens, hiddenSize, vocabularySize, seed)
           {
               Coefficient = coefficient,
               LabelSmoothing = smoothing,
               ZLossCoefficient = zLoss,
               LogitSoftCap = cap,
               LogitScale = scale,
               Reduction = divisor.Item1,
               Denominator = divisor.Item2,
               Weighting = weighting,
               Statistics = statistics,
               IdsPerToken = idsPerToken,
               TokensAtATime = tokensAtATime,
               Gap = gap,
               Threads = threads,
               Outputs = outputs,
               Gradients = gradients,
               HasBias = (flags & 1) != 0,
               HasMasks = (flags & 2) != 0,
               HasWeights = (flags & 4) != 0,
               Accumulates = (flags & 8) != 0,
               IsShard = (flags & 16) != 0,
           }.Valid();

    /// <summary>Each option off in turn, then less of everything.</summary>
    public IEnumerable<HeadDraw> Simpler()
    {
        HeadDraw[] simpler =
        [
            this with { Element = "float" },
            this with { HasMasks = false },
            this with { HasBias = false },
            this with { HasWeights = false },
            this with { Accumulates = false },
            this with { IsShard = false },
            this with { TokensAtATime = 0 },
            this with { LabelSmoothing = 0 },
            this with { ZLossCoefficient = 0 },
            this with { LogitSoftCap = 0 },
            this with { LogitScale = 1 },
            this with { Weighting = TargetWeighting.Uniform },
            this with { Statistics = LossStatistics.None },
            this with { IdsPerToken = IdsPerToken / 2 },
            this with { Gap = 0 },
            this with { Coefficient = 1 },
            this with { Reduction = LossReduction.Sum, Denominator = null },
            this with { HiddenSize = (HiddenSize + 1) / 2 },
            this with { VocabularySize = (VocabularySize + 1) / 2 },
            this with { Tokens = (Tokens + 1) / 2 },
        ];
        return simpler.Select(candidate => candidate.Valid()).Where(candidate => candidate != this);
    }

    /// <summary>Without the options that this entry refuses, alone or together.</summary>
    public HeadDraw Valid()
    {
        bool isSoft = IsSoft && !IsPerToken, isShard = IsShard && IsPerToken;
        return this with
        {
            IdsPerToken = isSoft ? IdsPerToken : 0,
            IsShard = isShard,
            LabelSmoothing = isSoft || isShard ? 0 : LabelSmoothing,
            HasWeights = HasWeights && !IsPerToken,
            HasMasks = HasMasks && HasBias,
            ZLossCoefficient = IsPerToken ? 0 : ZLossCoefficient,
            Reduction = IsPerToken ? LossReduction.Mean : Reduction,
            Denominator = IsPerToken ? null : Denominator,
            Weighting = isSoft || IsPerToken ? TargetWeighting.Uniform : Weighting,
            Statistics = IsPerToken ? LossStatistics.None : isSoft ? Statistics & ~LossStatistics.Accuracy : Statistics,
        };
    }
}
