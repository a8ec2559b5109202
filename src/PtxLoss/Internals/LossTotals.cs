namespace PtxLosses.Internals;

/// <summary>The sums of a batch that everything in a <see cref="PtxLossResult"/> follows from.</summary>
/// <param name="CrossEntropy">Σ of the losses of the tokens that count, in nats.</param>
/// <param name="TokenCount">How many tokens count.</param>
internal readonly record struct LossTotals(double CrossEntropy, long TokenCount)
{
    /// <summary>What the sum is divided by to give the reduced loss.</summary>
    public static double Divisor(long tokenCount, PtxLossOptions options) => options.Reduction switch
    {
        LossReduction.Sum => 1,
        _ => options.Denominator ?? Math.Max(tokenCount, 1),
    };
}
