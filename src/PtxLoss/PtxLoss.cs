using System.Numerics;
using PtxLosses.Calls;

namespace PtxLosses;

/// <summary>
/// The PPO-ptx loss of RLHF: the RL loss plus γ times the language-modelling loss of pretraining text,
/// <c>L_total = L_rl + γ · (1/N) Σ_t (logsumexp(x_t) − x_t[y_t])</c>, which keeps a model from forgetting what it learned in
/// pretraining.
/// </summary>
/// <remarks>
/// <para>Logits are row-major, <c>[tokens × vocabularySize]</c>, of type <see cref="float"/>, <see cref="double"/>,
/// <see cref="Half"/> or <see cref="BFloat16"/>; targets are ids of any integer type, one per token. Both may be spans, or
/// tensors with strides. Losses are in nats.</para>
/// <para>Source: Ouyang et al., "Training language models to follow instructions with human feedback" (InstructGPT), 2022,
/// equation 2, with the text's term taken as a mean over tokens.</para>
/// <para>A −inf logit adds nothing and gets gradient 0; a target at −inf makes its loss +inf. NaN, +inf or a row of only −inf
/// make the token's loss, and so the total, NaN; so does an infinite loss times a γ of 0. Results are bit-identical for any
/// number of threads. All members may be called from many threads at once.</para>
/// </remarks>
public static partial class PtxLoss
{
    /// <summary>Computes the loss.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">The logits of pretraining text, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="tokenWeights">
    /// How much each token counts, one per target and in the targets' order; finite and at least 0, those of ignored tokens are
    /// not read. A token's losses and gradient are multiplied by its weight, and a mean divides by their sum. A token of weight 0
    /// adds nothing and its logits are not read, but <see cref="PtxLossResult.TokenCount"/> includes it. Empty: each token counts
    /// once.
    /// </param>
    /// <returns>
    /// The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// Lengths disagree, a target or a weight is out of range, the vocabulary is empty, γ is not finite, an option is out of
    /// range or has no meaning here, or the logits' type is not supported.
    /// </exception>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<LossCall<TTarget>, TLogit, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), logits, targets, vocabularySize, options);

#pragma warning disable CS1573 // the other parameters are inherited
    /// <summary>Computes the loss of soft targets: distributions of a teacher, as in distillation.</summary>
    /// <inheritdoc cref="Compute{TLogit, TTarget}(double, ReadOnlySpan{TLogit}, ReadOnlySpan{TTarget}, int, double,
    ///     PtxLossOptions, ReadOnlySpan{float})"
    ///     path="/*[not(self::summary or self::returns or @name='targets')]"/>
    /// <param name="targets">A distribution for each token: ids in <c>[0, vocabularySize)</c>, or ignored.</param>
    /// <returns>
    /// The total and its parts, of <c>Σ_j q_j · (lse − z[id_j])</c> in nats in place of each token's cross-entropy. Zero tokens,
    /// or only ignored ones, give <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// As for hard targets, or a probability is not finite or below 0, or an option is set that needs one target:
    /// <see cref="PtxLossOptions.LabelSmoothing"/>, <see cref="PtxLossOptions.TargetWeighting"/>,
    /// <see cref="LossStatistics.Accuracy"/>.
    /// </exception>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        SoftTargets<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<LossCall<TTarget>, TLogit, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights), logits, targets, vocabularySize, options);
#pragma warning restore CS1573

    /// <summary>Computes the loss and the gradient of the total with respect to the logits, in one pass over them.</summary>
    /// <typeparam name="TLogit">
    /// <see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.
    /// </typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">The logits of pretraining text, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="logitsGradient">
    /// Receives <c>∂Total/∂logits</c>, without options <c>γ/N · (softmax(x_t) − onehot(y_t))</c>; rows of tokens that add nothing
    /// become 0. With <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they
    /// are. Shaped like the logits: exactly their memory (in place, without accumulation) or disjoint from it.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="tokenWeights">
    /// How much each token counts, one per target and in the targets' order; finite and at least 0, those of ignored tokens are
    /// not read. A token's losses and gradient are multiplied by its weight, and a mean divides by their sum. A token of weight 0
    /// adds nothing and its logits are not read, but <see cref="PtxLossResult.TokenCount"/> includes it. Empty: each token counts
    /// once.
    /// </param>
    /// <returns>
    /// The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// As for <c>Compute</c>, or the gradient's length is wrong or it overlaps a part of the logits. Nothing has been
    /// written.
    /// </exception>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<LossCall<TTarget>, TLogit, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights),
            logits,
            targets,
            vocabularySize,
            options,
            wantsGradient: true,
            logitsGradient);

#pragma warning disable CS1573 // the other parameters are inherited
    /// <summary>
    /// Computes the loss of soft targets and the gradient of the total with respect to the logits, in one pass over them.
    /// </summary>
    /// <inheritdoc cref="ComputeWithGradient{TLogit, TTarget}(double, ReadOnlySpan{TLogit}, ReadOnlySpan{TTarget}, int,
    ///     double, Span{TLogit}, PtxLossOptions, ReadOnlySpan{float})"
    ///     path="/*[not(self::summary or self::returns or @name='targets' or @name='logitsGradient')]"/>
    /// <param name="targets">A distribution for each token: ids in <c>[0, vocabularySize)</c>, or ignored.</param>
    /// <param name="logitsGradient">
    /// Receives <c>∂Total/∂logits</c>, without options <c>γ/N · (Σ_j q_j · softmax(x_t) − q)</c>; otherwise as for hard targets.
    /// </param>
    /// <returns>As for <c>Compute</c>.</returns>
    /// <exception cref="ArgumentException">
    /// As for <c>Compute</c>, or the gradient's length is wrong or it overlaps a part of the logits. Nothing has been written.
    /// </exception>
    public static PtxLossResult ComputeWithGradient<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        SoftTargets<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> tokenWeights = default)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => SpanCall.Run<LossCall<TTarget>, TLogit, TTarget>(
            new(rlLoss, ptxCoefficient, tokenWeights),
            logits,
            targets,
            vocabularySize,
            options,
            wantsGradient: true,
            logitsGradient);
#pragma warning restore CS1573

    /// <summary>
    /// What a mean divides by: the sum of the weights of the tokens that are not ignored, which is their number where they have
    /// no weights. For a <see cref="PtxLossOptions.Denominator"/> over several calls.
    /// </summary>
    /// <param name="targets">The target ids; those outside a vocabulary count as well, unless they are ignored.</param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>; <see cref="PtxLossOptions.IgnoreIndex"/> applies, and to
    /// tensors <see cref="PtxLossOptions.ShiftTargets"/>.
    /// </param>
    /// <param name="tokenWeights">A weight per target, as for <c>Compute</c>; or empty.</param>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <returns>Σ w over the targets that are not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    /// <exception cref="ArgumentException">
    /// There are not as many weights as targets, or one is out of range; or the targets are to be shifted, which takes a tensor
    /// of them.
    /// </exception>
    public static double Denominator<TTarget>(
        ReadOnlySpan<TTarget> targets, PtxLossOptions? options = null, ReadOnlySpan<float> tokenWeights = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Denominators.Of<TTarget>(targets, options, tokenWeights);

    /// <summary>
    /// What a mean over soft targets divides by: the sum of the weights of the tokens that are not ignored, whatever their
    /// probabilities add up to.
    /// </summary>
    /// <param name="targets">The soft targets.</param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>; <see cref="PtxLossOptions.IgnoreIndex"/> applies.
    /// </param>
    /// <param name="tokenWeights">A weight per token, or empty.</param>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <returns>Σ w over the tokens that have an id that is not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    /// <exception cref="ArgumentException">As for hard targets, or a probability is not finite or below 0.</exception>
    public static double Denominator<TTarget>(
        SoftTargets<TTarget> targets, PtxLossOptions? options = null, ReadOnlySpan<float> tokenWeights = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Denominators.Of<TTarget>(targets, options, tokenWeights);
}
