using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses.Calls;

/// <summary>The way of the calls per token: that of <see cref="LossCall"/>, without a denominator and a scale.</summary>
internal static unsafe class TokenCall
{
    public static void Forward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits, ReadOnlySpan<TTarget> targets, int vocabularySize, CrossEntropyOutputs outputs, PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Shards, LossCall.WhyUnshifted);
        BatchShapes.Check(logits.Length, targets.Length, vocabularySize);
        fixed (TLogit* logitsStart = logits)
        fixed (TTarget* targetsStart = targets)
        {
            BatchMemory<TLogit, TTarget> memory = BatchRows.Of(logitsStart, null, targetsStart, targets.Length, vocabularySize, options);
            Forward(ref memory, [targets.Length], outputs, options);
        }
    }

    [SkipLocalsInit]
    public static void Forward<TLogit, TTarget>(
        in ReadOnlyTensorSpan<TLogit> logits, in ReadOnlyTensorSpan<TTarget> targets, CrossEntropyOutputs outputs, PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Shards | HonouredOptions.Shift);
        BatchShapes.Check(in logits, in targets);
        Dimension* dimensions = stackalloc Dimension[BatchRows.MaxDimensions];
        fixed (TLogit* logitsStart = logits)
        fixed (TTarget* targetsStart = targets)
        {
            BatchMemory<TLogit, TTarget> memory = default;
            BatchRows.Set(ref memory, logitsStart, in logits, null, default, targetsStart, in targets, dimensions, options);
            Forward(ref memory, targets.Lengths, outputs, options);
        }
    }

    public static void Backward<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Shards, LossCall.WhyUnshifted);
        BatchShapes.Check(logits.Length, targets.Length, vocabularySize);
        MemoryChecks.CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            BatchMemory<TLogit, TTarget> memory = BatchRows.Of(logitsStart, gradientStart, targetsStart, targets.Length, vocabularySize, options);
            Backward(ref memory, [targets.Length], forward, gradients, options);
        }
    }

    [SkipLocalsInit]
    public static void Backward<TLogit, TTarget>(
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Shards | HonouredOptions.Shift);
        BatchShapes.Check(in logits, in targets);
        BatchShapes.CheckGradient(in logits, in logitsGradient);
        Dimension* dimensions = stackalloc Dimension[BatchRows.MaxDimensions];
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            BatchMemory<TLogit, TTarget> memory = default;
            BatchRows.Set(ref memory, logitsStart, in logits, gradientStart, in logitsGradient, targetsStart, in targets, dimensions, options);
            Backward(ref memory, targets.Lengths, forward, gradients, options);
        }
    }

    private static void Forward<TLogit, TTarget>(
        ref BatchMemory<TLogit, TTarget> memory, ReadOnlySpan<nint> shape, CrossEntropyOutputs outputs, PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For<TLogit>(logits: default);
        outputs.CheckLengths(memory.Targets.Count, nameof(outputs));
        CheckShardOutputs(outputs, options, memory.Logits.VocabularySize);
        BatchCount.Of(in memory.Targets, OptionChecks.CountIds(options, memory.Logits.VocabularySize), shape, tokenWeights: []);
        fixed (double* loss = outputs.Loss, logSumExp = outputs.LogSumExp, targetLogit = outputs.TargetLogit, entropy = outputs.Entropy)
        fixed (int* argMax = outputs.ArgMax)
        {
            MemoryChecks.CheckDisjoint(
                [
                    (MemoryRange.Of(loss, outputs.Loss.Length), "outputs.Loss"),
                    (MemoryRange.Of(logSumExp, outputs.LogSumExp.Length), "outputs.LogSumExp"),
                    (MemoryRange.Of(targetLogit, outputs.TargetLogit.Length), "outputs.TargetLogit"),
                    (MemoryRange.Of(entropy, outputs.Entropy.Length), "outputs.Entropy"),
                    (MemoryRange.Of(argMax, outputs.ArgMax.Length), "outputs.ArgMax"),
                ],
                [(memory.Logits.Memory, "logits"), (memory.Targets.Memory, "targets")]);
            memory.Loss = loss;
            memory.LogSumExp = logSumExp;
            memory.TargetLogit = targetLogit;
            memory.Entropy = entropy;
            memory.ArgMax = argMax;
            var pass = new BatchPass<TLogit, TTarget>(kernel, in memory, LossCall.RowOptionsOf(options), scale: 1);
            BatchScheduler.Run(in pass);
        }
    }

    private static void Backward<TLogit, TTarget>(
        ref BatchMemory<TLogit, TTarget> memory,
        ReadOnlySpan<nint> shape,
        CrossEntropyOutputs forward,
        CrossEntropyOutputGradients gradients,
        PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For<TLogit>(logits: default);
        long tokens = memory.Targets.Count;
        const string unit = "values, one per target";
        MemoryChecks.CheckLength(forward.LogSumExp.Length, tokens, "forward.LogSumExp", unit);
        gradients.CheckLengths(tokens, nameof(gradients));
        if (!gradients.Entropy.IsEmpty)
        {
            MemoryChecks.CheckLength(forward.Entropy.Length, tokens, "forward.Entropy", $"{unit}, where gradients.Entropy is given");
        }

        BatchCount.Of(in memory.Targets, OptionChecks.CountIds(options, memory.Logits.VocabularySize), shape, tokenWeights: []);
        fixed (double* logSumExp = forward.LogSumExp, entropy = forward.Entropy)
        fixed (double* ofLoss = gradients.Loss, ofLogSumExp = gradients.LogSumExp, ofEntropy = gradients.Entropy)
        {
            memory.WantsGradient = true;
            MemoryChecks.CheckGradient(
                in memory,
                options.AccumulateGradient,
                [
                    (MemoryRange.Of(logSumExp, forward.LogSumExp.Length), "forward.LogSumExp"),
                    (MemoryRange.Of(entropy, gradients.Entropy.IsEmpty ? 0 : forward.Entropy.Length), "forward.Entropy"),
                    (MemoryRange.Of(ofLoss, gradients.Loss.Length), "gradients.Loss"),
                    (MemoryRange.Of(ofLogSumExp, gradients.LogSumExp.Length), "gradients.LogSumExp"),
                    (MemoryRange.Of(ofEntropy, gradients.Entropy.Length), "gradients.Entropy"),
                ]);
            memory.KnownLogSumExp = logSumExp;
            memory.KnownEntropy = entropy;
            memory.LossGradient = ofLoss;
            memory.LogSumExpGradient = ofLogSumExp;
            memory.EntropyGradient = ofEntropy;
            var pass = new BatchPass<TLogit, TTarget>(kernel, in memory, LossCall.RowOptionsOf(options), scale: 1);
            BatchScheduler.Run(in pass);
        }
    }

    private static void CheckShardOutputs(CrossEntropyOutputs outputs, PtxLossOptions options, int vocabularySize)
    {
        if (options.VocabularyStart is not { } start)
        {
            return;
        }

        if (!outputs.Loss.IsEmpty)
        {
            throw new ArgumentException(
                "outputs.Loss must be empty where options.VocabularyStart is set: a loss needs the log-sum-exp of the whole row, which Backward takes as well.",
                nameof(outputs));
        }

        if (!outputs.ArgMax.IsEmpty && start + vocabularySize - 1 > int.MaxValue)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"outputs.ArgMax must be empty where ids reach {start + vocabularySize - 1}: it cannot hold them."),
                nameof(outputs));
        }
    }
}
