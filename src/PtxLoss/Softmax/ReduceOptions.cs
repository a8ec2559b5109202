namespace PtxLosses.Softmax;

/// <summary>What a reduction finds in a row beside its log-sum-exp.</summary>
[Flags]
internal enum RowStatistics
{
    None = 0,
    Entropy = 1,
    ArgMax = 2,
    Mean = 4,
}

/// <summary>What is asked of a reduction.</summary>
/// <param name="Statistics">What is wanted beside the log-sum-exp.</param>
/// <param name="Transform">What is made of each logit first.</param>
internal readonly record struct ReduceOptions(RowStatistics Statistics, LogitTransform Transform)
{
    public bool Wants(RowStatistics statistic) => (Statistics & statistic) == statistic;
}
