namespace PtxLosses.Calls;

/// <summary>What turns sums over tokens into a loss.</summary>
/// <param name="Reduction">Mean or sum.</param>
/// <param name="Denominator">What a mean divides by instead of the tokens' own weight.</param>
internal readonly record struct Normalizer(LossReduction Reduction, double? Denominator)
{
    public Normalizer(PtxLossOptions options)
        : this(options.Reduction, options.Denominator)
    {
    }

    /// <summary>
    /// What sums over tokens of so much weight are divided by; not 0, for the sums are 0 where the tokens weigh nothing.
    /// </summary>
    public double DivisorFor(double weight) => Reduction switch
    {
        LossReduction.Sum => 1,
        _ when weight == 0 => 1,
        _ => Denominator ?? weight,
    };
}
