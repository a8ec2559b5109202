using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Calls;

namespace PtxLosses;

// The fused head: the loss of logits that are computed on the way and never held all at once.
public static partial class PtxLoss
{
    /// <summary>
    /// Computes the loss from the hidden states that the last layer of a model gets, <c>logits = hidden · weightᵀ + bias</c>,
    /// without the memory that all logits would take.
    /// </summary>
    /// <typeparam name="TElement"><see cref="float"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>; the last dimension has stride 1, the first any. Those of ignored tokens are not
    /// read.
    /// </param>
    /// <param name="weight">
    /// The weight of the layer, <c>[vocabulary, d]</c>, with strides like those of the hidden states.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabulary)</c> or ignored.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <param name="tokenWeights">How much each token counts, as for <c>Compute</c>; or empty.</param>
    /// <returns>
    /// What <c>Compute</c> returns for these logits, to the rounding of their sums. Zero tokens, or only ignored ones, give
    /// <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <remarks>
    /// Sums are in <see cref="float"/>, whatever the type of the elements. Tokens are worked on in parts, as many at a time as
    /// <see cref="PtxLossOptions.MaxScratchBytes"/> has room for. Results are bit-identical for any number of threads; another
    /// room may change their last bits. Source of the idea: Wijmans et al., "Cut Your Losses in Large-Vocabulary Language
    /// Models", 2024, and Liger-Kernel's <c>fused_linear_cross_entropy</c>.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// Shapes or lengths disagree, the vocabulary or a last dimension is empty, a last dimension is not of stride 1, a target
    /// or a weight is out of range, γ is not finite, the type is not supported, or an option is out of range or has no meaning
    /// here: <see cref="PtxLossOptions.ShiftTargets"/>, <see cref="PtxLossOptions.VocabularyStart"/>, or
    /// <see cref="PtxLossOptions.MaxScratchBytes"/> with no room for one token.
    /// </exception>
    /// <exception cref="OutOfMemoryException">
    /// There is not as much memory as the call needs of what it may take. Nothing has been written.
    /// </exception>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static PtxLossResult ComputeFromHidden<TElement, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<LossCall<TTarget>, TElement, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), in hidden, in weight, targets, gradients: default, options, bias);

    /// <inheritdoc cref="ComputeFromHidden{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    /// in ReadOnlyTensorSpan{TElement}, ReadOnlySpan{TTarget}, double, PtxLossOptions, ReadOnlySpan{TElement},
    /// ReadOnlySpan{float})"/>
    public static PtxLossResult ComputeFromHidden<TElement, TTarget>(
        double rlLoss,
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeFromHidden(
            rlLoss, TensorForms.Span(hidden), TensorForms.Span(weight), targets, ptxCoefficient, options, bias, tokenWeights);

#pragma warning disable CS1573 // the other parameters are inherited
    /// <summary>
    /// Computes the loss of soft targets from the hidden states that the last layer of a model gets,
    /// <c>logits = hidden · weightᵀ + bias</c>, without the memory that all logits would take.
    /// </summary>
    /// <inheritdoc cref="ComputeFromHidden{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    ///     in ReadOnlyTensorSpan{TElement}, ReadOnlySpan{TTarget}, double, PtxLossOptions, ReadOnlySpan{TElement},
    ///     ReadOnlySpan{float})"
    ///     path="/*[not(self::summary or @name='targets')]"/>
    /// <param name="targets">A distribution for each token: ids in <c>[0, vocabulary)</c>, or ignored.</param>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static PtxLossResult ComputeFromHidden<TElement, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        SoftTargets<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<LossCall<TTarget>, TElement, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), in hidden, in weight, targets, gradients: default, options, bias);
#pragma warning restore CS1573

    /// <inheritdoc cref="ComputeFromHidden{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    /// in ReadOnlyTensorSpan{TElement}, SoftTargets{TTarget}, double, PtxLossOptions, ReadOnlySpan{TElement},
    /// ReadOnlySpan{float})"/>
    public static PtxLossResult ComputeFromHidden<TElement, TTarget>(
        double rlLoss,
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        SoftTargets<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeFromHidden(
            rlLoss, TensorForms.Span(hidden), TensorForms.Span(weight), targets, ptxCoefficient, options, bias, tokenWeights);

    /// <summary>
    /// Computes the loss from the hidden states that the last layer of a model gets, <c>logits = hidden · weightᵀ + bias</c>, and
    /// the gradients of the total, without the memory that all logits or their gradient would take.
    /// </summary>
    /// <typeparam name="TElement"><see cref="float"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>; the last dimension has stride 1, the first any. Those of ignored tokens are not
    /// read.
    /// </param>
    /// <param name="weight">
    /// The weight of the layer, <c>[vocabulary, d]</c>, with strides like those of the hidden states.
    /// </param>
    /// <param name="targets">
    /// The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabulary)</c> or ignored.
    /// </param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="gradients">Receives the gradients; what is left empty is not computed.</param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>. With <see cref="PtxLossOptions.AccumulateGradient"/> the
    /// gradients of weight and bias are added to what their memory holds.
    /// </param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <param name="tokenWeights">How much each token counts, as for <c>Compute</c>; or empty.</param>
    /// <returns>As for <c>ComputeFromHidden</c>.</returns>
    /// <remarks>See <c>ComputeFromHidden</c>. No logit is computed twice.</remarks>
    /// <exception cref="ArgumentException">
    /// As for <c>ComputeFromHidden</c>, or a gradient has another shape than what it belongs to, or may have elements in common
    /// with anything else that is passed: rows may lie between other rows only if they are as far apart. Nothing has been
    /// written.
    /// </exception>
    /// <exception cref="OutOfMemoryException">
    /// There is not as much memory as the call needs of what it may take. Nothing has been written.
    /// </exception>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static PtxLossResult ComputeFromHiddenWithGradient<TElement, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        HiddenGradients<TElement> gradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<LossCall<TTarget>, TElement, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), in hidden, in weight, targets, gradients, options, bias);

    /// <inheritdoc cref="ComputeFromHiddenWithGradient{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    /// in ReadOnlyTensorSpan{TElement}, ReadOnlySpan{TTarget}, double, HiddenGradients{TElement}, PtxLossOptions,
    /// ReadOnlySpan{TElement}, ReadOnlySpan{float})"/>
    public static PtxLossResult ComputeFromHiddenWithGradient<TElement, TTarget>(
        double rlLoss,
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        HiddenGradients<TElement> gradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeFromHiddenWithGradient(
            rlLoss,
            TensorForms.Span(hidden),
            TensorForms.Span(weight),
            targets,
            ptxCoefficient,
            gradients,
            options,
            bias,
            tokenWeights);

#pragma warning disable CS1573 // the other parameters are inherited
    /// <summary>
    /// Computes the loss of soft targets from the hidden states that the last layer of a model gets,
    /// <c>logits = hidden · weightᵀ + bias</c>, and the gradients of the total, without the memory that all logits or their
    /// gradient would take.
    /// </summary>
    /// <inheritdoc cref="ComputeFromHiddenWithGradient{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    ///     in ReadOnlyTensorSpan{TElement}, ReadOnlySpan{TTarget}, double, HiddenGradients{TElement}, PtxLossOptions,
    ///     ReadOnlySpan{TElement}, ReadOnlySpan{float})"
    ///     path="/*[not(self::summary or @name='targets')]"/>
    /// <param name="targets">A distribution for each token: ids in <c>[0, vocabulary)</c>, or ignored.</param>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static PtxLossResult ComputeFromHiddenWithGradient<TElement, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        SoftTargets<TTarget> targets,
        double ptxCoefficient,
        HiddenGradients<TElement> gradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<LossCall<TTarget>, TElement, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), in hidden, in weight, targets, gradients, options, bias);
#pragma warning restore CS1573

    /// <inheritdoc cref="ComputeFromHiddenWithGradient{TElement, TTarget}(double, in ReadOnlyTensorSpan{TElement},
    /// in ReadOnlyTensorSpan{TElement}, SoftTargets{TTarget}, double, HiddenGradients{TElement}, PtxLossOptions,
    /// ReadOnlySpan{TElement}, ReadOnlySpan{float})"/>
    public static PtxLossResult ComputeFromHiddenWithGradient<TElement, TTarget>(
        double rlLoss,
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        SoftTargets<TTarget> targets,
        double ptxCoefficient,
        HiddenGradients<TElement> gradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default,
        ReadOnlySpan<float> tokenWeights = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ComputeFromHiddenWithGradient(
            rlLoss,
            TensorForms.Span(hidden),
            TensorForms.Span(weight),
            targets,
            ptxCoefficient,
            gradients,
            options,
            bias,
            tokenWeights);
}
