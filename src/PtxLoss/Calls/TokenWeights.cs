using System.Numerics;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>The weights of <see cref="PtxLossOptions.TokenWeights"/>.</summary>
internal static class TokenWeights
{
    /// <summary>Checks that there is one per token, or none.</summary>
    public static void CheckLength(PtxLossOptions options, long tokens)
    {
        int length = options.TokenWeights.Length;
        if (length != 0 && length != tokens)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"options.TokenWeights has length {length}, but must have {tokens}, one per target, or be empty."),
                nameof(options));
        }
    }

    /// <summary>Checks that the weights of the tokens that count are finite and at least 0; those of the others are not read.</summary>
    public static void Check<TTarget>(PtxLossOptions options, in TargetRows<TTarget> targets)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        ReadOnlySpan<float> weights = options.TokenWeights.Span;
        for (int token = 0; token < weights.Length; token++)
        {
            if (targets.Counts(token, out _) && weights[(int)targets.PositionOf(token)] is var weight && !(weight >= 0 && float.IsFinite(weight)))
            {
                throw new ArgumentOutOfRangeException(
                    nameof(options),
                    weight,
                    FormattableString.Invariant($"options.TokenWeights[{targets.PositionOf(token)}] is {weight}, but must be finite and at least 0."));
            }
        }
    }
}
