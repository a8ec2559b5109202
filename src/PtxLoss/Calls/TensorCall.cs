using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>Calls over tensors: rows of logits at their strides.</summary>
internal static unsafe class TensorCall
{
    /// <summary>Room for the dimensions of the logits, of their gradient and of the targets.</summary>
    private const int MaxDimensions = 3 * RowLayout.MaxDimensions;

    /// <summary>The pinned targets of a tensor.</summary>
    public static TargetRows<TTarget> TargetsOf<TTarget>(
        TTarget* start, scoped in ReadOnlyTensorSpan<TTarget> targets, Dimension* dimensions, PtxLossOptions options)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        RowLayout layout = targets.IsEmpty ? default : new(targets.Lengths, targets.Strides, dimensions);
        return new(start, layout, options.ShiftTargets && !targets.IsEmpty ? targets.Lengths[^1] : 0, options.IgnoreIndex);
    }

    /// <param name="call">What is asked for.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="options">The options, or none.</param>
    /// <param name="wantsGradient">Whether the gradient of the logits is wanted.</param>
    /// <param name="logitsGradient">Where it goes.</param>
    [SkipLocalsInit]
    public static PtxLossResult Run<TCall, TLogit, TTarget>(
        TCall call,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        PtxLossOptions? options,
        bool wantsGradient = false,
        in TensorSpan<TLogit> logitsGradient = default)
        where TCall : struct, ICall<TTarget>, allows ref struct
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, call.Honoured | HonouredOptions.Shift);
        BatchShapes.Check(in logits, in targets);
        if (wantsGradient)
        {
            BatchShapes.CheckGradient(in logits, in logitsGradient);
        }

        // Other threads may read them: they are done before this method is.
        Dimension* dimensions = stackalloc Dimension[MaxDimensions];
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            int vocabularySize = (int)logits.Lengths[^1];
            var rows = new LogitRows<TLogit>(
                logitsStart, new RowLayout(logits.Lengths[..^1], logits.Strides[..^1], dimensions), vocabularySize);
            dimensions += RowLayout.MaxDimensions;
            LogitRows<TLogit> gradient = !wantsGradient ? default : new(
                gradientStart,
                new RowLayout(logitsGradient.Lengths[..^1], logitsGradient.Strides[..^1], dimensions),
                vocabularySize);
            dimensions += RowLayout.MaxDimensions;
            var source = new LogitMemory<TLogit, TTarget>(rows, gradient, wantsGradient);
            TargetRows<TTarget> targetRows = TargetsOf(targetsStart, in targets, dimensions, options);
            return call.Run(in source, in targetRows, targets.Lengths, options);
        }
    }
}
