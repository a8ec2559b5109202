namespace PtxLosses.Internals;

/// <summary>The weights of <see cref="PtxLossOptions.TokenWeights"/>.</summary>
internal static class TokenWeights
{
    /// <summary>Checks that there is one per token, finite and at least 0, or none.</summary>
    public static void Check(PtxLossOptions options, long tokens)
    {
        ReadOnlySpan<float> weights = options.TokenWeights.Span;
        if (!weights.IsEmpty && weights.Length != tokens)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"options.TokenWeights has length {weights.Length}, but must have {tokens}, one per target, or be empty."),
                nameof(options));
        }

        for (int token = 0; token < weights.Length; token++)
        {
            if (!(weights[token] >= 0 && float.IsFinite(weights[token])))
            {
                throw new ArgumentOutOfRangeException(
                    nameof(options),
                    weights[token],
                    FormattableString.Invariant($"options.TokenWeights[{token}] is {weights[token]}, but must be finite and at least 0."));
            }
        }
    }
}
