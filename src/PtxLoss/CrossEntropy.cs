using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>
/// The cross-entropy of each token and its gradient: the building block of <see cref="PtxLoss"/>, and what a policy gradient
/// needs as well (log-probabilities and entropy).
/// </summary>
/// <remarks>
/// <para>Logits are row-major, <c>[tokens × vocabularySize]</c>, of type <see cref="float"/>, <see cref="double"/>,
/// <see cref="Half"/> or <see cref="BFloat16"/>; targets are ids of any integer type, one per token. Both may be spans, or
/// tensors with strides. All losses are in nats.</para>
/// <para>From hidden states and the weight of a last layer, <c>ForwardFromHidden</c> and <c>BackwardFromHidden</c> do the same
/// without the memory that all logits would take.</para>
/// <para>Options that make one number of many losses have no meaning here and are refused:
/// <see cref="PtxLossOptions.Reduction"/>, <see cref="PtxLossOptions.Denominator"/>,
/// <see cref="PtxLossOptions.ZLossCoefficient"/>, <see cref="PtxLossOptions.TargetWeighting"/>,
/// <see cref="PtxLossOptions.Statistics"/>. So is <see cref="PtxLossOptions.ShiftTargets"/>, but for tensors: spans do not say
/// where a sequence ends.</para>
/// <para>With <see cref="PtxLossOptions.VocabularyStart"/> the logits are a shard of the vocabulary. Shards need to exchange
/// their log-sum-exps only: with M the largest of them, the row's is <c>M + log Σ_shards exp(lse_shard − M)</c>, which is what
/// <c>Backward</c> takes. The loss of a token follows where its target is. Smoothing is refused: it is a mean over the whole
/// vocabulary.</para>
/// </remarks>
public static partial class CrossEntropy
{
    /// <summary>Computes, in one pass over the logits, every output whose span is not empty.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored; where the logits are a shard, any that is
    /// not negative, or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row, at least 1.</param>
    /// <param name="outputs">
    /// The spans to fill, each empty or <c>[tokens]</c>, disjoint from each other and from what is read.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// Lengths disagree, a target is out of range, the vocabulary is empty, an option is out of range or has no meaning here, an
    /// output overlaps another or what is read, the logits' type is not supported, or a shard of the vocabulary is asked for a
    /// loss. Nothing has been written.
    /// </exception>
    public static void Forward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        CrossEntropyOutputs outputs,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<ForwardCall<TTarget>, TLogit, TTarget>(new(outputs), logits, targets, vocabularySize, options);

    /// <summary>Computes, in one pass over the logits of tensors, every output whose span is not empty.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">
    /// The logits, <c>[tokens, vocabulary]</c>, <c>[batch, sequence, vocabulary]</c> or of more dimensions. The last has stride
    /// 1; the others have any.
    /// </param>
    /// <param name="targets">
    /// The target ids: the shape of the logits without its last dimension, with any strides. With
    /// <see cref="PtxLossOptions.ShiftTargets"/> the first of each sequence is not used.
    /// </param>
    /// <param name="outputs">
    /// The spans to fill, each empty or with a value per target in row-major order, at the place of the logits; disjoint from
    /// each other and from what is read.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">As over spans, or shapes or strides do not fit. Nothing has been written.</exception>
    public static void Forward<TLogit, TTarget>(
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        CrossEntropyOutputs outputs,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => TensorCall.Run(new ForwardCall<TTarget>(outputs), in logits, in targets, options);

    /// <summary>
    /// The vector-Jacobian product of <c>Forward</c>: writes ∂L/∂logits from ∂L/∂ of the outputs. With the gradient gL of the
    /// losses alone, and no options, it is <c>gL[t] · (softmax(x_t) − onehot(y_t))</c>.
    /// </summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored; where the logits are a shard, any that is
    /// not negative, or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row, at least 1.</param>
    /// <param name="forward">
    /// What <c>Forward</c> gave with the same options: <see cref="CrossEntropyOutputs.LogSumExp"/>, and
    /// <see cref="CrossEntropyOutputs.Entropy"/> where the entropy's gradient is given; the others are not read. Where these
    /// logits are a shard of the vocabulary, both are those of the whole row: the entropy is <c>lse − Σ_s P_s·(lse_s − H_s)</c>
    /// with <c>P_s = exp(lse_s − lse)</c>.
    /// </param>
    /// <param name="gradients">∂L/∂ of each output, each span empty or <c>[tokens]</c>.</param>
    /// <param name="logitsGradient">
    /// Receives the gradient, 0 in the rows of ignored tokens and of those whose gradients are all 0; with
    /// <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they are.
    /// <c>[tokens × vocabularySize]</c>: exactly the memory of the logits (in place, without accumulation) or disjoint from it.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// As for <c>Forward</c>, or a value that is needed is not given, or the gradient overlaps a part of the logits or what else
    /// is read. Nothing has been written.
    /// </exception>
    public static void Backward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<BackwardCall<TTarget>, TLogit, TTarget>(
            new(forward, gradients), logits, targets, vocabularySize, options, wantsGradient: true, logitsGradient);

    /// <summary>The vector-Jacobian product of <c>Forward</c> over tensors.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, as for <c>Forward</c>.</param>
    /// <param name="targets">The target ids, as for <c>Forward</c>.</param>
    /// <param name="forward">What <c>Forward</c> gave, as over spans.</param>
    /// <param name="gradients">∂L/∂ of each output, each span empty or with a value per target.</param>
    /// <param name="logitsGradient">
    /// Receives the gradient, as over spans: of the shape of the logits, its last dimension of stride 1.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">As over spans, or shapes or strides do not fit. Nothing has been written.</exception>
    public static void Backward<TLogit, TTarget>(
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => TensorCall.Run(
            new BackwardCall<TTarget>(forward, gradients),
            in logits,
            in targets,
            options,
            wantsGradient: true,
            in logitsGradient);
}
