using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Calls;

namespace PtxLosses;

// Over tensors. C# does not infer type arguments through the conversions of Tensor<T>, so each call has a form that takes it.
public static partial class PtxLoss
{
    /// <summary>Computes the loss over tensors.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">
    /// The logits of pretraining text, <c>[tokens, vocabulary]</c>, <c>[batch, sequence, vocabulary]</c> or of more dimensions.
    /// The last has stride 1; the others have any, 0 included, where the same logits stand for several tokens. There may be more
    /// than 2³¹ elements.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, each in <c>[0, vocabulary)</c> or ignored: the shape of the logits without its last
    /// dimension, with any strides. With <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence is not used.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="tokenWeights">
    /// How much each token counts, one per target and in row-major order over their shape, whatever the strides; finite and at
    /// least 0, those of ignored tokens are not read. A token's losses and gradient are multiplied by its weight, and a mean
    /// divides by their sum. A token of weight 0 adds nothing and its logits are not read, but
    /// <see cref="PtxLossResult.TokenCount"/> includes it. Empty: each token counts once.
    /// </param>
    /// <returns>
    /// The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// Shapes disagree, the logits have fewer than two dimensions or a last one that is empty or not of stride 1, a target or a
    /// weight is out of range, γ is not finite, an option is out of range or has no meaning here, or the logits' type is not
    /// supported.
    /// </exception>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => TensorCall.Run(new LossCall<TTarget>(rlLoss, ptxCoefficient, tokenWeights), in logits, in targets, options);

    /// <inheritdoc cref="Compute{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit}, in ReadOnlyTensorSpan{TTarget}, double,
    /// PtxLossOptions, ReadOnlySpan{float})"/>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        Tensor<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Compute(rlLoss, TensorForms.Span(logits), TensorForms.Span(targets), ptxCoefficient, options, tokenWeights);

    /// <summary>
    /// Computes the loss over tensors and the gradient of the total with respect to the logits, in one pass over them.
    /// </summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">
    /// The logits of pretraining text, <c>[tokens, vocabulary]</c>, <c>[batch, sequence, vocabulary]</c> or of more dimensions.
    /// The last has stride 1; the others have any, 0 included, where the same logits stand for several tokens. There may be more
    /// than 2³¹ elements.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, each in <c>[0, vocabulary)</c> or ignored: the shape of the logits without its last
    /// dimension, with any strides. With <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence is not used.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="logitsGradient">
    /// Receives <c>∂Total/∂logits</c>, without options <c>γ/N · (softmax(x_t) − onehot(y_t))</c>; rows of tokens that add nothing
    /// become 0. With <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they
    /// are. Shaped like the logits, of any strides that keep its rows apart, with 1 in the last dimension. Either exactly the
    /// logits' memory, with their strides (in place, without accumulation), or disjoint from it; with the logits' strides it may
    /// also lie in the gaps between their rows. Elements between its own rows are left alone.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="tokenWeights">
    /// How much each token counts, one per target and in row-major order over their shape, whatever the strides; finite and at
    /// least 0, those of ignored tokens are not read. A token's losses and gradient are multiplied by its weight, and a mean
    /// divides by their sum. A token of weight 0 adds nothing and its logits are not read, but
    /// <see cref="PtxLossResult.TokenCount"/> includes it. Empty: each token counts once.
    /// </param>
    /// <returns>
    /// The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// As for the overloads of <c>Compute</c>, or the gradient's shape or strides do not fit, or it overlaps a part of the
    /// logits. Nothing has been written.
    /// </exception>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => TensorCall.Run(
            new LossCall<TTarget>(rlLoss, ptxCoefficient, tokenWeights),
            in logits,
            in targets,
            options,
            wantsGradient: true,
            in logitsGradient);

    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, in ReadOnlyTensorSpan{TLogit},
    /// in ReadOnlyTensorSpan{TTarget}, double, in TensorSpan{TLogit}, PtxLossOptions, ReadOnlySpan{float})"/>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        Tensor<TLogit> logits,
        Tensor<TTarget> targets,
        double ptxCoefficient,
        Tensor<TLogit> logitsGradient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeWithGradient(
            rlLoss,
            TensorForms.Span(logits),
            TensorForms.Span(targets),
            ptxCoefficient,
            TensorForms.WritableSpan(logitsGradient),
            options,
            tokenWeights);

    /// <inheritdoc cref="Denominator{TTarget}(ReadOnlySpan{TTarget}, PtxLossOptions, ReadOnlySpan{float})"
    ///     path="/*[not(@name='targets' or @name='options' or @name='tokenWeights')]"/>
    /// <param name="targets">
    /// The target ids, of any shape; those outside a vocabulary count as well, unless they are ignored. With
    /// <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence, the last dimension, is left out.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="tokenWeights">A weight per target, as for <c>Compute</c>; or empty.</param>
    public static double Denominator<TTarget>(
        in ReadOnlyTensorSpan<TTarget> targets, PtxLossOptions? options = null, ReadOnlySpan<float> tokenWeights = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Denominators.Of(in targets, options, tokenWeights);

    /// <inheritdoc cref="Denominator{TTarget}(in ReadOnlyTensorSpan{TTarget}, PtxLossOptions, ReadOnlySpan{float})"/>
    public static double Denominator<TTarget>(
        Tensor<TTarget> targets, PtxLossOptions? options = null, ReadOnlySpan<float> tokenWeights = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Denominator(TensorForms.Span(targets), options, tokenWeights);
}
