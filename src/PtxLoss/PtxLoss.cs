using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Calls;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses;

/// <summary>
/// The PPO-ptx loss of RLHF: the RL loss plus γ times the language-modelling loss of pretraining text,
/// <c>L_total = L_rl + γ · (1/N) Σ_t (logsumexp(x_t) − x_t[y_t])</c>, which keeps a model from forgetting what it learned in
/// pretraining.
/// </summary>
/// <remarks>
/// <para>Logits are row-major, <c>[tokens × vocabularySize]</c>, of type <see cref="float"/>, <see cref="double"/>,
/// <see cref="Half"/> or <see cref="BFloat16"/>; targets are ids of any integer type, one per token. Both may be spans, or tensors
/// with strides. Losses are in nats.</para>
/// <para>Source: Ouyang et al., "Training language models to follow instructions with human feedback" (InstructGPT), 2022,
/// equation 2, with the text's term taken as a mean over tokens.</para>
/// <para>A −inf logit adds nothing and gets gradient 0; a target at −inf makes its loss +inf. NaN, +inf or a row of only −inf
/// make the token's loss, and so the total, NaN; so does an infinite loss times a γ of 0. Results are bit-identical for any number
/// of threads. All members may be called from many threads at once.</para>
/// </remarks>
public static partial class PtxLoss
{
    /// <summary>Computes the loss.</summary>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">The logits of pretraining text, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored.</param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.</returns>
    /// <exception cref="ArgumentException">
    /// Lengths disagree, a target is out of range, the vocabulary is empty, γ is not finite, an option is out of range, or the
    /// logits' type is not supported.
    /// </exception>
    public static PtxLossResult Compute<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Run(rlLoss, logits, targets, vocabularySize, ptxCoefficient, wantsGradient: false, logitsGradient: default, options);

    /// <summary>Computes the loss and the gradient of the total with respect to the logits, in one pass over them.</summary>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="logits">The logits of pretraining text, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored.</param>
    /// <param name="vocabularySize">The length of a row of logits, at least 1.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="logitsGradient">
    /// Receives <c>∂Total/∂logits</c>, without options <c>γ/N · (softmax(x_t) − onehot(y_t))</c>; rows of tokens that add nothing
    /// become 0. With <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they are.
    /// Shaped like the logits: exactly their memory (in place, without accumulation) or disjoint from it.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <returns>The total and its parts. Zero tokens, or only ignored ones, give <paramref name="rlLoss"/> as the total.</returns>
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
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Run(rlLoss, logits, targets, vocabularySize, ptxCoefficient, wantsGradient: true, logitsGradient, options);

    /// <summary>
    /// Counts the tokens that are not ignored, for a <see cref="PtxLossOptions.Denominator"/> over several calls.
    /// </summary>
    /// <param name="targets">The target ids; those outside a vocabulary count as well, unless they are ignored.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <returns>How many targets are not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    /// <exception cref="ArgumentException">The targets are to be shifted, which takes a tensor of them.</exception>
    public static unsafe long CountTokens<TTarget>(ReadOnlySpan<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        Arguments.CheckUnshifted(options);
        fixed (TTarget* start = targets)
        {
            return new TargetRows<TTarget>(start, targets.Length, options.IgnoreIndex).CountTokens();
        }
    }

    /// <summary>
    /// Adds up the <see cref="PtxLossOptions.TokenWeights"/> of the tokens that are not ignored, for a
    /// <see cref="PtxLossOptions.Denominator"/> over several calls; without weights it counts them.
    /// </summary>
    /// <param name="targets">The target ids; those outside a vocabulary count as well, unless they are ignored.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <returns>Σ w over the targets that are not <see cref="PtxLossOptions.IgnoreIndex"/>.</returns>
    /// <exception cref="ArgumentException">
    /// There are not as many weights as targets, or one is out of range; or the targets are to be shifted, which takes a tensor of them.
    /// </exception>
    public static unsafe double SumWeights<TTarget>(ReadOnlySpan<TTarget> targets, PtxLossOptions? options = null)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        Arguments.CheckUnshifted(options);
        TokenWeights.CheckLength(options, targets.Length);
        fixed (TTarget* start = targets)
        {
            var rows = new TargetRows<TTarget>(start, targets.Length, options.IgnoreIndex);
            TokenWeights.Check(options, in rows);
            return rows.SumWeights(options.TokenWeights.Span);
        }
    }

    private static unsafe PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        bool wantsGradient,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        Arguments.Check(logits, targets, vocabularySize, options);
        if (wantsGradient)
        {
            Arguments.CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");
        }

        int tokens = targets.Length;
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            var logitRows = new LogitRows<TLogit>(logitsStart, tokens, vocabularySize);
            var gradientRows = new LogitRows<TLogit>(gradientStart, tokens, vocabularySize);
            var targetRows = new TargetRows<TTarget>(targetsStart, tokens, options.IgnoreIndex);
            return Run(
                rlLoss, in logitRows, in targetRows, targetsShape: [tokens], ptxCoefficient, wantsGradient, in gradientRows, options);
        }
    }

    /// <summary>Every call ends here: its shapes and options are checked and its memory is pinned, but not looked at yet.</summary>
    private static unsafe PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        in LogitRows<TLogit> logits,
        in TargetRows<TTarget> targets,
        ReadOnlySpan<nint> targetsShape,
        double ptxCoefficient,
        bool wantsGradient,
        in LogitRows<TLogit> logitsGradient,
        PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For<TLogit>(logits: default);
        Arguments.CheckCoefficient(ptxCoefficient);
        Arguments.CheckWhole(options);
        long tokenCount = Arguments.CheckTargets(in targets, logits.VocabularySize, targetsShape, options);
        ReadOnlySpan<float> weights = options.TokenWeights.Span;
        double weight = weights.IsEmpty ? tokenCount : targets.SumWeights(weights);
        var divisor = new Normalizer(options);
        Arguments.CheckDenominator(divisor, weight, tokenCount, nameof(options));
        fixed (float* weightsStart = weights)
        {
            var pass = new BatchPass<TLogit, TTarget>(kernel, in logits, in targets, new RowOptions(options))
            {
                TokenWeights = weightsStart,
                Scale = ptxCoefficient / divisor.Of(weight),
            };
            if (wantsGradient)
            {
                Arguments.CheckGradient(in logits, in targets, in logitsGradient, options);
                Arguments.CheckDisjoint(
                    logitsGradient.Memory,
                    MemoryRange.Of(weightsStart, weights.Length),
                    nameof(logitsGradient),
                    "options.TokenWeights");
                pass.WriteGradientTo(in logitsGradient);
            }

            TokenLosses sums = BatchScheduler.Run(pass, options.MaxDegreeOfParallelism);
            var totals = new LossTotals(sums.CrossEntropy, sums.ZLoss, weight, tokenCount);
            return new PtxLossResult(rlLoss, ptxCoefficient, totals, divisor, options.ZLossCoefficient);
        }
    }
}
