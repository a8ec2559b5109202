namespace PtxLosses.Batch;

/// <summary>What a token, or several, add to the sums of a loss, by their weights.</summary>
/// <param name="CrossEntropy">w · loss, in nats.</param>
/// <param name="ZLoss">w · lse², or 0 without a z-loss.</param>
internal readonly record struct TokenLosses(double CrossEntropy, double ZLoss)
{
    public static TokenLosses operator +(TokenLosses left, TokenLosses right)
        => new(left.CrossEntropy + right.CrossEntropy, left.ZLoss + right.ZLoss);
}
