namespace PtxLosses.Internals;

/// <summary>What a kernel must find in a row beyond the sum of exponentials.</summary>
[Flags]
internal enum RowDetails
{
    None = 0,
    Entropy = 1,
    ArgMax = 2,
}

/// <summary>
/// What one pass over a row of logits x leaves behind. <see cref="Reference"/> (m below) is any number near the row's maximum,
/// which keeps the exponentials in range.
/// </summary>
/// <param name="Reference">m.</param>
/// <param name="Sum">Σ exp(x_i − m).</param>
/// <param name="WeightedSum">Σ (x_i − m)·exp(x_i − m), for <see cref="RowDetails.Entropy"/>.</param>
/// <param name="ArgMax">The index of the maximum, for <see cref="RowDetails.ArgMax"/>.</param>
internal readonly record struct RowSums(double Reference, double Sum, double WeightedSum, int ArgMax)
{
    public double LogSumExp => Reference + Math.Log(Sum);

    /// <summary>H = −Σ p_i log p_i with p_i = exp(x_i − m) / Sum, so H = log Sum − WeightedSum / Sum.</summary>
    public double Entropy => Math.Max(0, Math.Log(Sum) - (WeightedSum / Sum));
}
