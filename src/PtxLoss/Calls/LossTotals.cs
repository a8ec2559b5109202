namespace PtxLosses.Calls;

/// <summary>
/// The sums over the tokens that count, by their weights, that everything in a <see cref="PtxLossResult"/> follows from.
/// </summary>
/// <param name="CrossEntropy">Σ w · loss, in nats.</param>
/// <param name="ZLoss">Σ w · lse², or 0 without a z-loss.</param>
/// <param name="Weight">Σ w, which is the count of the tokens where they have no weights.</param>
/// <param name="TokenCount">How many tokens count, those of weight 0 included.</param>
internal readonly record struct LossTotals(double CrossEntropy, double ZLoss, double Weight, long TokenCount)
{
    public static LossTotals operator +(LossTotals left, LossTotals right)
        => new(
            left.CrossEntropy + right.CrossEntropy,
            left.ZLoss + right.ZLoss,
            left.Weight + right.Weight,
            left.TokenCount + right.TokenCount);
}
