namespace PtxLosses;

/// <summary>How the losses of the tokens become one number.</summary>
public enum LossReduction
{
    /// <summary>
    /// The sum over the tokens that count, divided by the sum of their weights, which is their number where they have none, or by
    /// <see cref="PtxLossOptions.Denominator"/>.
    /// </summary>
    Mean,

    /// <summary>
    /// The sum over the tokens that count, not divided; <see cref="PtxLossOptions.Denominator"/> is refused with it.
    /// </summary>
    Sum,
}
