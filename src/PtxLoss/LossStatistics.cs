namespace PtxLosses;

/// <summary>
/// What a <see cref="PtxLossResult"/> reports beside the loss, from the same pass over the logits. May be combined.
/// </summary>
[Flags]
public enum LossStatistics
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><see cref="PtxLossResult.Accuracy"/>. Refused for soft targets, of which no id is the right one.</summary>
    Accuracy = 1,

    /// <summary><see cref="PtxLossResult.Entropy"/>.</summary>
    Entropy = 2,
}
