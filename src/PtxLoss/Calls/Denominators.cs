using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>What a mean divides by: Σ w over the tokens that are not ignored.</summary>
internal static unsafe class Denominators
{
    public static double Of<TTarget>(TargetList<TTarget> targets, PtxLossOptions? options, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.CheckUnshifted(options, SpanCall.WhyUnshifted);
        BatchCount.CheckLength(tokenWeights, targets.Tokens);
        fixed (TTarget* ids = targets.Ids)
        fixed (float* probabilities = targets.Probabilities)
        {
            var rows = new TargetRows<TTarget>(ids, probabilities, targets.Tokens, targets.IdsPerToken, options.IgnoreIndex);
            return BatchCount.OfAny(in rows, [targets.Tokens], tokenWeights).Weight;
        }
    }

    [SkipLocalsInit]
    public static double Of<TTarget>(
        in ReadOnlyTensorSpan<TTarget> targets, PtxLossOptions? options, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        BatchCount.CheckLength(tokenWeights, targets.FlattenedLength);
        Dimension* dimensions = stackalloc Dimension[RowLayout.MaxDimensions];
        fixed (TTarget* start = targets)
        {
            TargetRows<TTarget> rows = TensorCall.TargetsOf(start, in targets, dimensions, options ?? PtxLossOptions.Default);
            return BatchCount.OfAny(in rows, targets.Lengths, tokenWeights).Weight;
        }
    }
}
