namespace PtxLosses.Batch;

/// <summary>What a token, or several, add to the sums of a loss, by their weights w.</summary>
/// <param name="CrossEntropy">w · s · loss in nats, with s the target's weighting.</param>
/// <param name="ZLoss">w · s · lse², or 0 without a z-loss.</param>
/// <param name="Surprisal">w · loss: what the perplexity comes of.</param>
/// <param name="Correct">w where the largest logit is the target's, or 0 where nobody asks.</param>
/// <param name="Entropy">w · H in nats, or 0 where nobody asks.</param>
internal readonly record struct TokenLosses(double CrossEntropy, double ZLoss, double Surprisal, double Correct, double Entropy)
{
    public static TokenLosses operator +(TokenLosses left, TokenLosses right)
        => new(
            left.CrossEntropy + right.CrossEntropy,
            left.ZLoss + right.ZLoss,
            left.Surprisal + right.Surprisal,
            left.Correct + right.Correct,
            left.Entropy + right.Entropy);

    /// <summary>Numbers that tell all: two, where the others follow from them.</summary>
    public static int Length(bool hasStatistics) => hasStatistics ? 5 : 2;

    /// <summary>What so many numbers tell.</summary>
    public static TokenLosses Load(ReadOnlySpan<double> numbers)
        => numbers is [var crossEntropy, var zLoss]
            ? new(crossEntropy, zLoss, crossEntropy, Correct: 0, Entropy: 0)
            : new(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);

    public void Store(Span<double> numbers)
    {
        (numbers[0], numbers[1]) = (CrossEntropy, ZLoss);
        if (numbers.Length > 2)
        {
            (numbers[2], numbers[3], numbers[4]) = (Surprisal, Correct, Entropy);
        }
    }
}
