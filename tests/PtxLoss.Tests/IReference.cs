namespace PtxLosses.Tests;

/// <summary>What a call must answer, whoever computed it in double precision.</summary>
internal interface IReference
{
    /// <summary>
    /// What <see cref="CrossEntropyOutputs"/> holds, per token; of soft targets, the first used place is the target.
    /// </summary>
    double[] Loss { get; }
    double[] LogSumExp { get; }
    double[] TargetLogit { get; }
    double[] Entropy { get; }
    int[] ArgMax { get; }

    /// <summary>∂Total/∂logits; where gradients accumulate, what is added.</summary>
    double[] Gradient { get; }

    /// <summary>∂logsumexp/∂logits and ∂entropy/∂logits, per token.</summary>
    double[] LogSumExpGradient { get; }
    double[] EntropyGradient { get; }

    /// <summary>∂Total/∂(the loss of a token that counts once).</summary>
    double GradientScale { get; }

    double LanguageModelLoss { get; }
    double ZLoss { get; }
    double Total { get; }
    long TokenCount { get; }
    double Perplexity { get; }

    /// <summary>What results report only when asked for; soft targets have no accuracy.</summary>
    double Accuracy { get; }
    double MeanEntropy { get; }
}
