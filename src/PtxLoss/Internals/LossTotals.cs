namespace PtxLosses.Internals;

/// <summary>
/// The sums over the tokens that count, by their weights, that everything in a <see cref="PtxLossResult"/> follows from.
/// </summary>
/// <param name="CrossEntropy">Σ w · loss, in nats.</param>
/// <param name="ZLoss">Σ w · lse², or 0 without a z-loss.</param>
/// <param name="Weight">Σ w, which is the count of the tokens where they have no weights.</param>
/// <param name="TokenCount">How many tokens count, those of weight 0 included.</param>
internal readonly record struct LossTotals(double CrossEntropy, double ZLoss, double Weight, long TokenCount)
{
    /// <summary>What a sum is divided by to give the reduced loss; not 0, for the sums are 0 where the tokens weigh nothing.</summary>
    public static double Divisor(double weight, PtxLossOptions options) => options.Reduction switch
    {
        LossReduction.Sum => 1,
        _ when weight == 0 => 1,
        _ => options.Denominator ?? weight,
    };

    /// <summary>What a sum is divided by to give the mean over its tokens, which is 0, as the sums are, where they weigh nothing.</summary>
    public static double OwnDivisor(double weight) => weight == 0 ? 1 : weight;
}
