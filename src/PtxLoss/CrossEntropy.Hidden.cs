using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Calls;

namespace PtxLosses;

// From hidden states: logits are computed on the way and never held all at once.
public static partial class CrossEntropy
{
    /// <summary>
    /// Computes every output whose span is not empty from the hidden states that the last layer of a model gets,
    /// <c>logits = hidden · weightᵀ + bias</c>, without the memory that all logits would take.
    /// </summary>
    /// <typeparam name="TElement"><see cref="float"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>; the last dimension has stride 1, the first any. Those of ignored tokens are not
    /// read.
    /// </param>
    /// <param name="weight">
    /// The weight of the layer, <c>[vocabulary, d]</c>, with strides like those of the hidden states; or, with
    /// <see cref="PtxLossOptions.VocabularyStart"/>, the rows of a shard.
    /// </param>
    /// <param name="targets">
    /// The target ids, <c>[tokens]</c>, each in <c>[0, vocabulary)</c> or ignored; for a shard, any that is not negative, or
    /// ignored.
    /// </param>
    /// <param name="outputs">
    /// The spans to fill, each empty or <c>[tokens]</c>, disjoint from each other and from what is read.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <remarks>
    /// 2·T·V·d operations for T tokens that count and V ids. Sums are in <see cref="float"/>, whatever the type of the elements.
    /// Tokens are worked on in parts, as many at a time as <see cref="PtxLossOptions.MaxScratchBytes"/> has room for. Results are
    /// bit-identical for any number of threads; another room may change their last bits.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// Shapes or lengths disagree, the vocabulary or a last dimension is empty or not of stride 1, a target is out of range, an
    /// option is out of range or has no meaning here, <see cref="PtxLossOptions.MaxScratchBytes"/> has no room for one token, an
    /// output overlaps another or what is read, the type is not supported, or a shard of the vocabulary is asked for a loss.
    /// Nothing has been written.
    /// </exception>
    /// <exception cref="OutOfMemoryException">
    /// There is not as much memory as the call needs of what it may take. Nothing has been written.
    /// </exception>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static void ForwardFromHidden<TElement, TTarget>(
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        CrossEntropyOutputs outputs,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<ForwardCall<TTarget>, TElement, TTarget>(
            new(outputs), in hidden, in weight, targets, gradients: default, options, bias);

    /// <inheritdoc cref="ForwardFromHidden{TElement, TTarget}(in ReadOnlyTensorSpan{TElement}, in ReadOnlyTensorSpan{TElement},
    /// ReadOnlySpan{TTarget}, CrossEntropyOutputs, PtxLossOptions, ReadOnlySpan{TElement})"/>
    public static void ForwardFromHidden<TElement, TTarget>(
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        CrossEntropyOutputs outputs,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => ForwardFromHidden(TensorForms.Span(hidden), TensorForms.Span(weight), targets, outputs, options, bias);

    /// <summary>
    /// The vector-Jacobian product of <c>ForwardFromHidden</c>: writes ∂L/∂ of hidden states, weight and bias from ∂L/∂ of the
    /// outputs. Advantages may have any sign.
    /// </summary>
    /// <typeparam name="TElement"><see cref="float"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>, as for <c>ForwardFromHidden</c>. Those of tokens whose gradients are all 0 are not
    /// read, and take no time.
    /// </param>
    /// <param name="weight">The weight of the layer, <c>[vocabulary, d]</c>, or a shard of it.</param>
    /// <param name="targets">The target ids, <c>[tokens]</c>, as for <c>ForwardFromHidden</c>.</param>
    /// <param name="forward">
    /// What <c>ForwardFromHidden</c> gave with the same options: <see cref="CrossEntropyOutputs.LogSumExp"/>, and
    /// <see cref="CrossEntropyOutputs.Entropy"/> where the entropy's gradient is given; the others are not read. For a shard of
    /// the vocabulary both are those of the whole row, as for <c>Backward</c>.
    /// </param>
    /// <param name="gradients">∂L/∂ of each output, each span empty or <c>[tokens]</c>.</param>
    /// <param name="hiddenGradients">
    /// Receives the gradients; what is left empty is not computed. The rows of <see cref="HiddenGradients{TElement}.Hidden"/>
    /// are 0 for ignored tokens and for those whose gradients are all 0. On a shard it is the shard's part: add up those of
    /// all.
    /// </param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>. With <see cref="PtxLossOptions.AccumulateGradient"/> the
    /// gradients of weight and bias are added to what their memory holds.
    /// </param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <remarks>
    /// 6·T·V·d operations, for the logits are multiplied again; tokens that add nothing are left out. Otherwise as
    /// <c>ForwardFromHidden</c>.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// As for <c>ForwardFromHidden</c>, or a value that is needed is not given, or a gradient has another shape than what it
    /// belongs to or may have elements in common with anything else that is passed. Nothing has been written.
    /// </exception>
    /// <exception cref="OutOfMemoryException">
    /// There is not as much memory as the call needs of what it may take. Nothing has been written.
    /// </exception>
    [OverloadResolutionPriority(1)] // where new(…) could be either
    public static void BackwardFromHidden<TElement, TTarget>(
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        HiddenGradients<TElement> hiddenGradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => HiddenCall.Run<BackwardCall<TTarget>, TElement, TTarget>(
            new(forward, gradients), in hidden, in weight, targets, hiddenGradients, options, bias, nameof(hiddenGradients));

    /// <inheritdoc cref="BackwardFromHidden{TElement, TTarget}(in ReadOnlyTensorSpan{TElement}, in ReadOnlyTensorSpan{TElement},
    /// ReadOnlySpan{TTarget}, CrossEntropyOutputs, CrossEntropyOutputGradients, HiddenGradients{TElement}, PtxLossOptions,
    /// ReadOnlySpan{TElement})"/>
    public static void BackwardFromHidden<TElement, TTarget>(
        Tensor<TElement> hidden,
        Tensor<TElement> weight,
        ReadOnlySpan<TTarget> targets,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        HiddenGradients<TElement> hiddenGradients,
        PtxLossOptions? options = null,
        ReadOnlySpan<TElement> bias = default)
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => BackwardFromHidden(
            TensorForms.Span(hidden), TensorForms.Span(weight), targets, forward, gradients, hiddenGradients, options, bias);
}
