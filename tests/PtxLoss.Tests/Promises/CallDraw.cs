using FsCheck;
using FsCheck.Fluent;

namespace PtxLosses.Tests;

/// <summary>What takes logits or their targets, spans or tensors of them.</summary>
public enum Entry
{
    Compute,
    ComputeWithGradient,
    ComputeOverTensors,
    ComputeOverTensorsWithGradient,
    Denominator,
    DenominatorOfTensor,
    Forward,
    ForwardOverTensors,
    Backward,
    BackwardOverTensors,
}

/// <summary>
/// A call that was drawn, of any entry with any options on any types and, over tensors, any strides. Its text is what a failure
/// prints, and all that it takes to repeat it.
/// </summary>
public sealed record CallDraw(Entry Entry, string Element, string Target, int VocabularySize, int Seed)
{
    /// <summary>The targets' shape is [Sequence], [Batch, Sequence] or [2, Batch, Sequence]; spans hold as many.</summary>
    public int Rank { get; init; } = 1;
    public int Batch { get; init; } = 1;
    public int Sequence { get; init; } = 1;
    public bool Repeats { get; init; }
    public double Spread { get; init; } = 3;
    public double Offset { get; init; }
    public bool HasMasks { get; init; }

    /// <summary>How many logits of each row are masked in front.</summary>
    public int MaskedPrefix { get; init; }

    /// <summary>What one row holds, instead of a logit or, if it is −inf, of all: 0 for nothing.</summary>
    public float Special { get; init; }

    /// <summary>How many NaN and infinities stand in that row besides.</summary>
    public int MoreSpecials { get; init; }
    public double Coefficient { get; init; } = 1;
    public int? IgnoreIndex { get; init; } = -100;
    public double LabelSmoothing { get; init; }
    public double ZLossCoefficient { get; init; }
    public double LogitSoftCap { get; init; }
    public double LogitScale { get; init; } = 1;
    public bool HasWeights { get; init; }
    public TargetWeighting Weighting { get; init; }
    public LossStatistics Statistics { get; init; }

    /// <summary>How many ids with a probability each token has, instead of a target: 0 for a target.</summary>
    public int IdsPerToken { get; init; }
    public LossReduction Reduction { get; init; }
    public double? Denominator { get; init; }
    public bool Accumulates { get; init; }
    public bool IsInPlace { get; init; }
    public bool Shifts { get; init; }
    public long? VocabularyStart { get; init; }
    public int Threads { get; init; } = 1;

    /// <summary>
    /// Which of the outputs of a forward pass are wanted, and which gradients a backward pass is given: a bit each.
    /// </summary>
    public int Outputs { get; init; } = 31;

    public bool IsOverTensors
        => Entry is Entry.ComputeOverTensors or Entry.ComputeOverTensorsWithGradient or Entry.DenominatorOfTensor
        or Entry.ForwardOverTensors or Entry.BackwardOverTensors;

    /// <summary>Whether numbers are such as no model has.</summary>
    public bool IsFarOut => Drawn.IsFarOut(Spread, Offset, LogitSoftCap, LogitScale, Coefficient);

    public bool IsDenominator => Entry is Entry.Denominator or Entry.DenominatorOfTensor;

    public bool IsForward => Entry is Entry.Forward or Entry.ForwardOverTensors;

    public bool IsBackward => Entry is Entry.Backward or Entry.BackwardOverTensors;

    public bool IsPerToken => IsForward || IsBackward;

    public bool TakesSoftTargets => Entry is Entry.Compute or Entry.ComputeWithGradient or Entry.Denominator;

    public bool IsSoft => IdsPerToken > 0;

    public bool WantsGradient => Entry is Entry.ComputeWithGradient or Entry.ComputeOverTensorsWithGradient || IsBackward;

    public int[] Shape => Rank switch
    {
        1 => [Sequence],
        2 => [Batch, Sequence],
        _ => [2, Batch, Sequence],
    };

    public int Tokens => Shape.Aggregate(1, (product, length) => product * length);

    public static Gen<CallDraw> All
        => from entry in Gen.Elements(Enum.GetValues<Entry>())
           from element in Drawn.Element
           from target in Gen.Elements("int", "long", "ushort", "sbyte")
           from vocabularySize in Gen.Frequency(
               (6, Gen.Choose(1, 40)), (5, Gen.Choose(41, 3000)), (1, Gen.Choose(20_000, 70_000)))
           from seed in Gen.Choose(0, 1_000_000)
           from rank in Gen.Choose(1, 3)
           from batch in Gen.Choose(1, 2)
           from sequence in Gen.Frequency((1, Gen.Constant(0)), (19, Gen.Choose(1, 5)))
           from spread in Drawn.Spread
           from offset in Drawn.Offset
           from prefix in Drawn.MaskedPrefix
           from special in Gen.Frequency(
               (5, Gen.Constant(0f)), (1, Gen.Elements(float.NaN, float.PositiveInfinity, float.NegativeInfinity)))
           from moreSpecials in Gen.Elements(0, 0, 1, 3)
           from coefficient in Drawn.Coefficient
           from ignoreIndex in Gen.Elements<int?>(-100, -100, null, 1)
           from smoothing in Drawn.LabelSmoothing
           from zLoss in Drawn.ZLossCoefficient
           from cap in Drawn.LogitSoftCap
           from scale in Drawn.LogitScale
           from divisor in Drawn.ReductionAndDenominator
           from weighting in Drawn.Weighting
           from statistics in Drawn.Statistics
           from idsPerToken in Drawn.IdsPerToken
           from start in Gen.Elements<long?>(null, null, 0, 20)
           from threads in Drawn.Threads
           from outputs in Gen.Choose(0, 31)
           from flags in Gen.Choose(0, 127)
           select new CallDraw(entry, element, target, vocabularySize, seed)
           {
               Rank = rank,
               Batch = batch,
               Sequence = sequence,
               Spread = spread,
               Offset = offset,
               MaskedPrefix = prefix,
               Special = special,
               MoreSpecials = moreSpecials,
               Coefficient = coefficient,
               IgnoreIndex = ignoreIndex,
               LabelSmoothing = smoothing,
               ZLossCoefficient = zLoss,
               LogitSoftCap = cap,
               LogitScale = scale,
               Reduction = divisor.Item1,
               Denominator = divisor.Item2,
               Weighting = weighting,
               Statistics = statistics,
               IdsPerToken = idsPerToken,
               Threads = threads,
               VocabularyStart = start,
               Outputs = outputs,
               HasMasks = (flags & 1) != 0,
               HasWeights = (flags & 2) != 0,
               Accumulates = (flags & 4) != 0,
               IsInPlace = (flags & 12) == 8,
               Repeats = (flags & 16) != 0,
               Shifts = (flags & 96) == 96,
           }.Valid();

    /// <summary>Each option off in turn, then fewer tokens and ids.</summary>
    public IEnumerable<CallDraw> Simpler()
    {
        CallDraw[] simpler =
        [
            this with { Element = "double" },
            this with { Target = "int" },
            this with { HasMasks = false },
            this with { MaskedPrefix = 0 },
            this with { MoreSpecials = 0 },
            this with { Special = 0 },
            this with { HasWeights = false },
            this with { Weighting = TargetWeighting.Uniform },
            this with { Statistics = LossStatistics.None },
            this with { IdsPerToken = IdsPerToken / 2 },
            this with { IgnoreIndex = null },
            this with { LabelSmoothing = 0 },
            this with { ZLossCoefficient = 0 },
            this with { LogitSoftCap = 0 },
            this with { LogitScale = 1 },
            this with { Accumulates = false },
            this with { IsInPlace = false },
            this with { Repeats = false },
            this with { Shifts = false },
            this with { VocabularyStart = null },
            this with { Threads = 1 },
            this with { Reduction = LossReduction.Sum, Denominator = null },
            this with { Coefficient = 1 },
            this with { Offset = 0 },
            this with { Spread = 1 },
            this with { Rank = 1 },
            this with { Sequence = (Sequence + 1) / 2 },
            this with { VocabularySize = (VocabularySize + 1) / 2 },
        ];
        return simpler.Select(candidate => candidate.Valid()).Where(candidate => candidate != this);
    }

    /// <summary>Without the options that this entry refuses, alone or together.</summary>
    public CallDraw Valid()
    {
        bool isSoft = IsSoft && TakesSoftTargets;
        return this with
        {
            IsInPlace = IsInPlace && WantsGradient && !Accumulates,
            Repeats = Repeats && !(IsInPlace && WantsGradient),
            Shifts = Shifts && IsOverTensors,
            IdsPerToken = isSoft ? IdsPerToken : 0,
            VocabularyStart = IsPerToken ? VocabularyStart : null,
            LabelSmoothing = isSoft || (IsPerToken && VocabularyStart.HasValue) ? 0 : LabelSmoothing,
            HasWeights = HasWeights && !IsPerToken,
            ZLossCoefficient = IsPerToken ? 0 : ZLossCoefficient,
            Reduction = IsPerToken ? LossReduction.Mean : Reduction,
            Denominator = IsPerToken ? null : Denominator,
            Weighting = isSoft || IsPerToken ? TargetWeighting.Uniform : Weighting,
            Statistics = IsPerToken ? LossStatistics.None : isSoft ? Statistics & ~LossStatistics.Accuracy : Statistics,
        };
    }
}
