using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>The rows of a batch, of pinned spans or tensors whose shapes are checked.</summary>
internal static unsafe class BatchRows
{
    /// <summary>Room for the dimensions of the logits, of their gradient and of the targets.</summary>
    public const int MaxDimensions = 3 * RowLayout.MaxDimensions;

    /// <summary>Rows that follow each other without a gap.</summary>
    public static BatchMemory<TLogit, TTarget> Of<TLogit, TTarget>(
        TLogit* logits, TLogit* gradient, TTarget* targets, int tokens, int vocabularySize, PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => new()
        {
            Logits = new(logits, tokens, vocabularySize),
            Gradient = new(gradient, tokens, vocabularySize),
            Targets = new(targets, tokens, options.IgnoreIndex),
        };

    /// <summary>Rows at the strides of tensors.</summary>
    public static void Set<TLogit, TTarget>(
        ref BatchMemory<TLogit, TTarget> memory,
        TLogit* logitsStart,
        in ReadOnlyTensorSpan<TLogit> logits,
        TLogit* gradientStart,
        in TensorSpan<TLogit> gradient,
        TTarget* targetsStart,
        in ReadOnlyTensorSpan<TTarget> targets,
        Dimension* dimensions,
        PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        int vocabularySize = (int)logits.Lengths[^1];
        memory.Logits = new(logitsStart, new RowLayout(logits.Lengths[..^1], logits.Strides[..^1], dimensions), vocabularySize);
        dimensions += RowLayout.MaxDimensions;
        if (!gradient.Lengths.IsEmpty)
        {
            memory.Gradient = new(gradientStart, new RowLayout(gradient.Lengths[..^1], gradient.Strides[..^1], dimensions), vocabularySize);
        }

        memory.Targets = TargetsOf(targetsStart, in targets, dimensions + RowLayout.MaxDimensions, options);
    }

    public static TargetRows<TTarget> TargetsOf<TTarget>(
        TTarget* start, in ReadOnlyTensorSpan<TTarget> targets, Dimension* dimensions, PtxLossOptions options)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        RowLayout layout = targets.IsEmpty ? default : new(targets.Lengths, targets.Strides, dimensions);
        return new(start, layout, options.ShiftTargets && !targets.IsEmpty ? targets.Lengths[^1] : 0, options.IgnoreIndex);
    }
}
