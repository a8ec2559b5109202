using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Batch;
using PtxLosses.Calls;

namespace PtxLosses;

// Over tensors. C# does not infer type arguments through the conversions of Tensor<T>, so there are overloads that take it: enough
// of them that all combinations of tensors and read-only tensor spans compile without type arguments.
public static partial class PtxLoss
{
    /// <summary>Computes the loss over tensors.</summary>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">
    /// The logits of pretraining text, <c>[tokens, vocabulary]</c>, <c>[batch, sequence, vocabulary]</c> or of more dimensions. The
    /// last has stride 1; the others have any, 0 included, where the same logits stand for several tokens. There may be more
    /// than 2³¹ elements.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, each in <c>[0, vocabulary)</c> or ignored: the shape of the logits without its last
    /// dimension, with any strides. With <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence is not used.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.</returns>
    /// <exception cref="ArgumentException">
    /// Shapes disagree, the logits have fewer than two dimensions or a last one that is empty or not of stride 1, a target is out of
    /// range, γ is not finite, an option is out of range, or the logits' type is not supported.
    /// </exception>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Run(rlLoss, in logits, in targets, ptxCoefficient, wantsGradient: false, logitsGradient: default, options);

    /// <inheritdoc cref="Compute{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, PtxLossOptions)"/>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        Tensor<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Compute(rlLoss, Span(logits), Span(targets), ptxCoefficient, options);

    /// <inheritdoc cref="Compute{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, PtxLossOptions)"/>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        Tensor<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Compute(rlLoss, Span(logits), in targets, ptxCoefficient, options);

    /// <inheritdoc cref="Compute{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, PtxLossOptions)"/>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Compute(rlLoss, in logits, Span(targets), ptxCoefficient, options);

    /// <summary>
    /// Computes the loss over tensors and the gradient of the total with respect to the logits, in one pass over them.
    /// </summary>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">
    /// The logits of pretraining text, <c>[tokens, vocabulary]</c>, <c>[batch, sequence, vocabulary]</c> or of more dimensions. The
    /// last has stride 1; the others have any, 0 included, where the same logits stand for several tokens. There may be more
    /// than 2³¹ elements.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, each in <c>[0, vocabulary)</c> or ignored: the shape of the logits without its last
    /// dimension, with any strides. With <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence is not used.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="logitsGradient">
    /// Receives <c>∂Total/∂logits</c>, without options <c>γ/N · (softmax(x_t) − onehot(y_t))</c>; rows of tokens that add nothing
    /// become 0. With <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they are.
    /// Shaped like the logits, of any strides that keep its rows apart, with 1 in the last dimension. Either exactly the logits'
    /// memory, with their strides (in place, without accumulation), or disjoint from it; with the logits' strides it may also lie
    /// in the gaps between their rows. Elements between its own rows are left alone.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.</returns>
    /// <exception cref="ArgumentException">
    /// As for the overloads of <c>Compute</c>, or the gradient's shape or strides do not fit, or it overlaps a part of the logits.
    /// Nothing has been written.
    /// </exception>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Run(rlLoss, in logits, in targets, ptxCoefficient, wantsGradient: true, in logitsGradient, options);

    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, in TensorSpan{TLogit}, PtxLossOptions)"/>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        Tensor<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        Tensor<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeWithGradient(rlLoss, Span(logits), Span(targets), ptxCoefficient, WritableSpan(logitsGradient), options);

    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, in TensorSpan{TLogit}, PtxLossOptions)"/>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        Tensor<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeWithGradient(rlLoss, in logits, Span(targets), ptxCoefficient, WritableSpan(logitsGradient), options);

    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, in TensorSpan{TLogit}, PtxLossOptions)"/>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        Tensor<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeWithGradient(rlLoss, in logits, in targets, ptxCoefficient, WritableSpan(logitsGradient), options);

    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double, in TensorSpan{TLogit}, PtxLossOptions)"/>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeWithGradient(rlLoss, in logits, Span(targets), ptxCoefficient, in logitsGradient, options);

    /// <summary>
    /// Counts the tokens that are not ignored, for a <see cref="PtxLossOptions.Denominator"/> over several calls. With
    /// <see cref="PtxLossOptions.ShiftTargets"/> the first target of each sequence, the last dimension, is not counted.
    /// </summary>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="targets">The target ids, of any shape; those outside a vocabulary count as well, unless they are ignored.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>How many tokens predict a target that is not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    [SkipLocalsInit]
    public static unsafe long CountTokens<TTarget>(in ReadOnlyTensorSpan<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        fixed (TTarget* start = targets)
        {
            return TargetRowsOf(start, in targets, room, options ?? PtxLossOptions.Default).CountTokens();
        }
    }

    /// <inheritdoc cref="CountTokens{TTarget}(in ReadOnlyTensorSpan{TTarget}, PtxLossOptions)"/>
    public static long CountTokens<TTarget>(Tensor<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => CountTokens(Span(targets), options);

    /// <summary>
    /// Adds up the <see cref="PtxLossOptions.TokenWeights"/> of the tokens that are not ignored, for a
    /// <see cref="PtxLossOptions.Denominator"/> over several calls; without weights it counts them. With
    /// <see cref="PtxLossOptions.ShiftTargets"/> the first target of each sequence, the last dimension, is left out.
    /// </summary>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="targets">The target ids, of any shape; those outside a vocabulary count as well, unless they are ignored.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>Σ w over the tokens that predict a target that is not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    /// <exception cref="ArgumentException">There are not as many weights as targets, or one is out of range.</exception>
    [SkipLocalsInit]
    public static unsafe double SumWeights<TTarget>(in ReadOnlyTensorSpan<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        TokenWeights.CheckLength(options, targets.FlattenedLength);
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        fixed (TTarget* start = targets)
        {
            TargetRows<TTarget> rows = TargetRowsOf(start, in targets, room, options);
            TokenWeights.Check(options, in rows);
            return rows.SumWeights(options.TokenWeights.Span);
        }
    }

    /// <inheritdoc cref="SumWeights{TTarget}(in ReadOnlyTensorSpan{TTarget}, PtxLossOptions)"/>
    public static double SumWeights<TTarget>(Tensor<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SumWeights(Span(targets), options);

    [SkipLocalsInit]
    private static unsafe PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        bool wantsGradient,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        int vocabularySize = TensorArguments.CheckShapes(in logits, in targets);
        OptionRanges.Check(options, targets.FlattenedLength);
        if (wantsGradient)
        {
            TensorArguments.CheckGradientShape(in logits, in logitsGradient);
        }

        // Other threads may read them: they are done before this method is.
        Dimension* room = stackalloc Dimension[3 * RowLayout.MaxDimensions];
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            var logitOffsets = new RowLayout(logits.Lengths[..^1], logits.Strides[..^1], room);
            var logitRows = new LogitRows<TLogit>(logitsStart, logitOffsets, vocabularySize);
            LogitRows<TLogit> gradientRows = default;
            if (wantsGradient)
            {
                var offsets = new RowLayout(
                    logitsGradient.Lengths[..^1], logitsGradient.Strides[..^1], room + RowLayout.MaxDimensions);
                gradientRows = new(gradientStart, offsets, vocabularySize);
            }

            TargetRows<TTarget> targetRows = TargetRowsOf(targetsStart, in targets, room + (2 * RowLayout.MaxDimensions), options);
            return Run(
                rlLoss, in logitRows, in targetRows, targets.Lengths, ptxCoefficient, wantsGradient, in gradientRows, options);
        }
    }

    private static unsafe TargetRows<TTarget> TargetRowsOf<TTarget>(
        TTarget* start, in ReadOnlyTensorSpan<TTarget> targets, Dimension* room, PtxLossOptions options)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        RowLayout offsets = targets.IsEmpty ? default : new(targets.Lengths, targets.Strides, room);
        return new(start, offsets, options.ShiftTargets && !targets.IsEmpty ? targets.Lengths[^1] : 0, options.IgnoreIndex);
    }

    private static ReadOnlyTensorSpan<T> Span<T>(Tensor<T> tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor;
    }

    private static TensorSpan<T> WritableSpan<T>(Tensor<T> tensor, [CallerArgumentExpression(nameof(tensor))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor;
    }
}
