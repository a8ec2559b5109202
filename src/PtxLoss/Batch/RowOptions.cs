using PtxLosses.Simd;
using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>What the options ask of every row, whatever the call.</summary>
internal readonly struct RowOptions(PtxLossOptions options)
{
    /// <summary>ε.</summary>
    public double LabelSmoothing { get; } = options.LabelSmoothing;

    /// <summary>β.</summary>
    public double ZLossCoefficient { get; } = options.ZLossCoefficient;

    /// <summary>c, or 0.</summary>
    public double SoftCap { get; } = options.LogitSoftCap;

    /// <summary>The id of a row's first logit.</summary>
    public long VocabularyStart { get; } = options.VocabularyStart;

    /// <summary>Where in a row of so many logits that of a target stands; −1 if it is in another shard of the vocabulary.</summary>
    public int PlaceOf(long target, int vocabularySize)
    {
        long place = target - VocabularyStart;
        return (ulong)place < (ulong)vocabularySize ? (int)place : -1;
    }

    public bool Accumulates { get; init; } = options.AccumulateGradient;

    /// <summary>A logit, soft cap included.</summary>
    public double Capped(double logit) => SoftCap == 0 ? logit : new SoftCap(SoftCap).Of(logit);

    /// <summary>dx'/dx from the capped logit x'.</summary>
    public double Slope(double capped) => SoftCap == 0 ? 1 : new SoftCap(SoftCap).Slope(capped);

    /// <summary>∂(lse + β·lse²) / ∂lse.</summary>
    public double LogSumExpSlope(double logSumExp) => ZLossCoefficient == 0 ? 1 : 1 + (2 * ZLossCoefficient * logSumExp);

    /// <summary>What a token adds to the sums of the losses.</summary>
    public TokenLosses Weighted(double weight, double loss, double logSumExp)
        => new(weight * loss, ZLossCoefficient == 0 ? 0 : weight * logSumExp * logSumExp);

    /// <summary>(1 − ε)·(lse − x'_y) + ε·(lse − mean x').</summary>
    public double Loss(double logSumExp, double target, in LogSumExpState sums)
        => LabelSmoothing == 0
            ? logSumExp - target
            : ((1 - LabelSmoothing) * (logSumExp - target)) + (LabelSmoothing * (logSumExp - sums.Mean));
}
