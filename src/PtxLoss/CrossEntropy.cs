using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Calls;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses;

/// <summary>
/// The cross-entropy of each token and its gradient: the building block of <see cref="PtxLoss"/>, and what a policy gradient
/// needs as well (log-probabilities and entropy).
/// </summary>
/// <remarks>
/// <para>Logits are row-major, <c>[tokens × vocabularySize]</c>, of type <see cref="float"/>, <see cref="double"/>,
/// <see cref="Half"/> or <see cref="BFloat16"/>; targets are ids of any integer type, one per token. All losses are in nats.</para>
/// <para>Of the options, <see cref="PtxLossOptions.IgnoreIndex"/>, <see cref="PtxLossOptions.LabelSmoothing"/>,
/// <see cref="PtxLossOptions.LogitSoftCap"/> and <see cref="PtxLossOptions.MaxDegreeOfParallelism"/> apply, to <see cref="Backward"/>
/// also <see cref="PtxLossOptions.ZLossCoefficient"/> and <see cref="PtxLossOptions.AccumulateGradient"/>; those that reduce the
/// losses to one number do not. <see cref="PtxLossOptions.ShiftTargets"/> is refused: it takes tensors, these are spans.</para>
/// <para>With <see cref="PtxLossOptions.VocabularyStart"/> the logits are a shard of the vocabulary. Shards need to exchange their log-sum-exps
/// only: with M the largest of them, the row's is <c>M + log Σ_shards exp(lse_shard − M)</c>, which is what <see cref="Backward"/> takes. The
/// loss of a token follows where its target is. Smoothing is refused: it is a mean over the whole vocabulary.</para>
/// </remarks>
public static class CrossEntropy
{
    /// <summary>Computes, in one pass over the logits, every output whose span is not empty.</summary>
    /// <remarks>
    /// Without effect here: <see cref="PtxLossOptions.Reduction"/>, <see cref="PtxLossOptions.Denominator"/>,
    /// <see cref="PtxLossOptions.TokenWeights"/>, <see cref="PtxLossOptions.ZLossCoefficient"/> and
    /// <see cref="PtxLossOptions.AccumulateGradient"/>. All the same, each must be in its range.
    /// </remarks>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored; where the logits are a shard, any that is not negative, or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row, at least 1.</param>
    /// <param name="outputs">
    /// The spans to fill, each empty or <c>[tokens]</c>, disjoint from each other and from what is read.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// Lengths disagree, a target is out of range, the vocabulary is empty, an option is out of range, an output overlaps another
    /// or what is read, the logits' type is not supported, or a shard of the vocabulary is asked for a loss. Nothing has been written.
    /// </exception>
    public static unsafe void Forward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        CrossEntropyOutputs outputs,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For(logits);
        Arguments.Check(logits, targets, vocabularySize, options);
        long ids = Arguments.CheckShard(options, vocabularySize);
        if (options.IsVocabularyShard)
        {
            CheckOutputsOfShard(outputs, options, vocabularySize);
        }

        CheckOutput(outputs.Loss, targets.Length, "outputs.Loss");
        CheckOutput(outputs.LogSumExp, targets.Length, "outputs.LogSumExp");
        CheckOutput(outputs.TargetLogit, targets.Length, "outputs.TargetLogit");
        CheckOutput(outputs.Entropy, targets.Length, "outputs.Entropy");
        CheckOutput(outputs.ArgMax, targets.Length, "outputs.ArgMax");

        fixed (TLogit* logitsStart = logits)
        fixed (TTarget* targetsStart = targets)
        fixed (double* loss = outputs.Loss, logSumExp = outputs.LogSumExp)
        fixed (double* targetLogit = outputs.TargetLogit, entropy = outputs.Entropy)
        fixed (int* argMax = outputs.ArgMax)
        {
            var logitRows = new LogitRows<TLogit>(logitsStart, targets.Length, vocabularySize);
            var targetRows = new TargetRows<TTarget>(targetsStart, targets.Length, options.IgnoreIndex);
            Arguments.CheckTargets(in targetRows, ids, shape: [targets.Length], options);
            Arguments.CheckDisjoint(
                [
                    (MemoryRange.Of(loss, outputs.Loss.Length), "outputs.Loss"),
                    (MemoryRange.Of(logSumExp, outputs.LogSumExp.Length), "outputs.LogSumExp"),
                    (MemoryRange.Of(targetLogit, outputs.TargetLogit.Length), "outputs.TargetLogit"),
                    (MemoryRange.Of(entropy, outputs.Entropy.Length), "outputs.Entropy"),
                    (MemoryRange.Of(argMax, outputs.ArgMax.Length), "outputs.ArgMax"),
                ],
                [(logitRows.Memory, nameof(logits)), (targetRows.Memory, nameof(targets))]);
            var pass = new BatchPass<TLogit, TTarget>(kernel, in logitRows, in targetRows, new RowOptions(options))
            {
                Loss = loss,
                LogSumExp = logSumExp,
                TargetLogit = targetLogit,
                Entropy = entropy,
                ArgMax = argMax,
            };
            BatchScheduler.Run(pass, options.MaxDegreeOfParallelism);
        }
    }

    /// <summary>
    /// Writes <c>∂(Σ_t tokenScale[t] · (loss_t + β·logSumExp_t²)) / ∂logits</c>, without options
    /// <c>tokenScale[t] · (softmax(x_t) − onehot(y_t))</c>, from log-sum-exps that are known already.
    /// </summary>
    /// <remarks>
    /// Without effect here: <see cref="PtxLossOptions.Reduction"/>, <see cref="PtxLossOptions.Denominator"/> and
    /// <see cref="PtxLossOptions.TokenWeights"/>, whose part <paramref name="tokenScale"/> takes. All the same, each must be in its
    /// range.
    /// </remarks>
    /// <typeparam name="TLogit"><see cref="float"/>, <see cref="double"/>, <see cref="Half"/> or <see cref="BFloat16"/>.</typeparam>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="logits">The logits, <c>[tokens × vocabularySize]</c>, row-major.</param>
    /// <param name="targets">
    /// The target ids, <c>[tokens]</c>, each in <c>[0, vocabularySize)</c> or ignored; where the logits are a shard, any that is not negative, or ignored.
    /// </param>
    /// <param name="vocabularySize">The length of a row, at least 1.</param>
    /// <param name="logSumExp">
    /// The log-sum-exp of each row, <c>[tokens]</c>: from <see cref="Forward"/> with the same
    /// <see cref="PtxLossOptions.LogitSoftCap"/>, or, where these logits are a shard of the vocabulary, that of the whole row.
    /// </param>
    /// <param name="tokenScale">What each token's loss counts, <c>[tokens]</c>.</param>
    /// <param name="logitsGradient">
    /// Receives the gradient, 0 in the rows of ignored tokens and of those of scale 0; with
    /// <see cref="PtxLossOptions.AccumulateGradient"/> it is added to what is there, and those rows stay as they are.
    /// <c>[tokens × vocabularySize]</c>: exactly the memory of the logits (in place, without accumulation) or disjoint from it.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// As for <see cref="Forward"/>, or the gradient overlaps a part of the logits. Nothing has been written.
    /// </exception>
    public static unsafe void Backward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        ReadOnlySpan<double> logSumExp,
        ReadOnlySpan<double> tokenScale,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options = null)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For(logits);
        Arguments.Check(logits, targets, vocabularySize, options);
        long ids = Arguments.CheckShard(options, vocabularySize);
        Arguments.CheckLength(logSumExp.Length, targets.Length, nameof(logSumExp), "values, one per target");
        Arguments.CheckLength(tokenScale.Length, targets.Length, nameof(tokenScale), "values, one per target");
        Arguments.CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");

        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        fixed (double* knownLogSumExp = logSumExp, scale = tokenScale)
        {
            int tokens = targets.Length;
            var logitRows = new LogitRows<TLogit>(logitsStart, tokens, vocabularySize);
            var gradientRows = new LogitRows<TLogit>(gradientStart, tokens, vocabularySize);
            var targetRows = new TargetRows<TTarget>(targetsStart, tokens, options.IgnoreIndex);
            Arguments.CheckTargets(in targetRows, ids, shape: [tokens], options);
            Arguments.CheckGradient(in logitRows, in targetRows, in gradientRows, options);
            Arguments.CheckDisjoint(
                gradientRows.Memory, MemoryRange.Of(knownLogSumExp, tokens), nameof(logitsGradient), nameof(logSumExp));
            Arguments.CheckDisjoint(gradientRows.Memory, MemoryRange.Of(scale, tokens), nameof(logitsGradient), nameof(tokenScale));
            var pass = new BatchPass<TLogit, TTarget>(kernel, in logitRows, in targetRows, new RowOptions(options))
            {
                KnownLogSumExp = knownLogSumExp,
                TokenScale = scale,
            };
            pass.WriteGradientTo(in gradientRows);
            BatchScheduler.Run(pass, options.MaxDegreeOfParallelism);
        }
    }

    private static void CheckOutputsOfShard(CrossEntropyOutputs outputs, PtxLossOptions options, int vocabularySize)
    {
        if (!outputs.Loss.IsEmpty)
        {
            throw new ArgumentException(
                "outputs.Loss must be empty where options.VocabularyStart is set: a loss needs the log-sum-exp of the whole row, which Backward takes as well.",
                nameof(outputs));
        }

        if (!outputs.ArgMax.IsEmpty && options.VocabularyStart + vocabularySize - 1 > int.MaxValue)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"outputs.ArgMax must be empty where ids reach {options.VocabularyStart + vocabularySize - 1}: it cannot hold them."),
                nameof(outputs));
        }
    }

    private static void CheckOutput<T>(ReadOnlySpan<T> output, int tokens, string name)
    {
        if (!output.IsEmpty)
        {
            Arguments.CheckLength(output.Length, tokens, name, "values, one per target, or to be empty");
        }
    }
}
