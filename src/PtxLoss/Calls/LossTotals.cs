using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>
/// The sums over the tokens that count, by their weights, that everything in a <see cref="PtxLossResult"/> follows from.
/// </summary>
/// <param name="Sums">Sums of what each token adds.</param>
/// <param name="Weight">Σ w, which is the count of the tokens where they have no weights.</param>
/// <param name="TokenCount">How many tokens count, those of weight 0 included.</param>
/// <param name="Statistics">The statistics that are known of all of them.</param>
internal readonly record struct LossTotals(TokenLosses Sums, double Weight, long TokenCount, LossStatistics Statistics)
{
    public bool AreEmpty => this is { TokenCount: 0, Weight: 0 };

    /// <summary>
    /// What is known of both is known of all. Where no token counts there is nothing to know: what was asked for is kept.
    /// </summary>
    public static LossTotals operator +(LossTotals left, LossTotals right)
    {
        if (left.AreEmpty && right.AreEmpty)
        {
            return left with { Statistics = left.Statistics | right.Statistics };
        }

        return left.AreEmpty ? right : right.AreEmpty ? left : new(
            left.Sums + right.Sums,
            left.Weight + right.Weight,
            left.TokenCount + right.TokenCount,
            left.Statistics & right.Statistics);
    }
}
