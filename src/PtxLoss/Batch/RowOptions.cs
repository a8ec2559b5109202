using PtxLosses.Softmax;

namespace PtxLosses.Batch;

/// <summary>What a token's loss is multiplied with, from the softmax p of its target.</summary>
internal enum TokenWeighting
{
    /// <summary>1.</summary>
    Uniform,

    /// <summary>p.</summary>
    Probability,

    /// <summary>p·(1 − p).</summary>
    ProbabilityVariance,
}

/// <summary>What the options ask of a pass over rows, whatever the call.</summary>
internal readonly record struct RowOptions
{
    /// <summary>ε.</summary>
    public required double LabelSmoothing { get; init; }

    /// <summary>β.</summary>
    public required double ZLossCoefficient { get; init; }

    public TokenWeighting Weighting { get; init; }

    /// <summary>Whether somebody asks how often the largest logit is the target's.</summary>
    public bool WantsAccuracy { get; init; }

    /// <summary>Whether somebody asks for the sum of the entropies.</summary>
    public bool WantsEntropy { get; init; }

    public required LogitTransform Transform { get; init; }

    /// <summary>The id of a row's first logit.</summary>
    public required long VocabularyStart { get; init; }

    /// <summary>Whether gradients are added to what is there.</summary>
    public required bool Accumulates { get; init; }

    public required int MaxDegreeOfParallelism { get; init; }

    /// <summary>
    /// Where in a row of so many logits that of a target stands; −1 if it is in another shard of the vocabulary.
    /// </summary>
    public int PlaceOf(long target, int vocabularySize)
    {
        long place = target - VocabularyStart;
        return (ulong)place < (ulong)vocabularySize ? (int)place : -1;
    }
}
