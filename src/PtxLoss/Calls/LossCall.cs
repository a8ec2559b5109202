using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using PtxLosses.Batch;
using PtxLosses.Common;
using PtxLosses.Softmax;

namespace PtxLosses.Calls;

/// <summary>
/// The one way of every call: its options and shapes are checked, its memory is pinned (spans and tensors differ in that alone),
/// its tokens are counted and the rest is checked, its rows are visited, and their losses become the result.
/// <see cref="TokenCall"/> and <see cref="HeadCall"/> go the same way.
/// </summary>
internal static unsafe class LossCall
{
    public const string WhyUnshifted = "for spans, which do not say where a sequence ends; tensors do";

    public static PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        ReadOnlySpan<TLogit> logits,
        ReadOnlySpan<TTarget> targets,
        int vocabularySize,
        double ptxCoefficient,
        bool wantsGradient,
        Span<TLogit> logitsGradient,
        PtxLossOptions? options,
        ReadOnlySpan<float> tokenWeights)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Reduction, WhyUnshifted);
        BatchShapes.Check(logits.Length, targets.Length, vocabularySize);
        if (wantsGradient)
        {
            MemoryChecks.CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");
        }

        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            BatchMemory<TLogit, TTarget> memory = BatchRows.Of(logitsStart, gradientStart, targetsStart, targets.Length, vocabularySize, options);
            memory.WantsGradient = wantsGradient;
            return Run(rlLoss, ref memory, [targets.Length], ptxCoefficient, options, tokenWeights);
        }
    }

    [SkipLocalsInit]
    public static PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<TLogit> logits,
        in ReadOnlyTensorSpan<TTarget> targets,
        double ptxCoefficient,
        bool wantsGradient,
        in TensorSpan<TLogit> logitsGradient,
        PtxLossOptions? options,
        ReadOnlySpan<float> tokenWeights)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Reduction | HonouredOptions.Shift);
        BatchShapes.Check(in logits, in targets);
        if (wantsGradient)
        {
            BatchShapes.CheckGradient(in logits, in logitsGradient);
        }

        // Other threads may read them: they are done before this method is.
        Dimension* dimensions = stackalloc Dimension[BatchRows.MaxDimensions];
        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* targetsStart = targets)
        {
            var memory = new BatchMemory<TLogit, TTarget> { WantsGradient = wantsGradient };
            BatchRows.Set(ref memory, logitsStart, in logits, gradientStart, in logitsGradient, targetsStart, in targets, dimensions, options);
            return Run(rlLoss, ref memory, targets.Lengths, ptxCoefficient, options, tokenWeights);
        }
    }

    /// <summary>Σ w over the targets that are not ignored.</summary>
    public static double Denominator<TTarget>(ReadOnlySpan<TTarget> targets, PtxLossOptions? options, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.CheckUnshifted(options, WhyUnshifted);
        BatchCount.CheckLength(tokenWeights, targets.Length);
        fixed (TTarget* start = targets)
        {
            var rows = new TargetRows<TTarget>(start, targets.Length, options.IgnoreIndex);
            return BatchCount.OfAny(in rows, [targets.Length], tokenWeights).Weight;
        }
    }

    /// <inheritdoc cref="Denominator{TTarget}(ReadOnlySpan{TTarget}, PtxLossOptions, ReadOnlySpan{float})"/>
    [SkipLocalsInit]
    public static double Denominator<TTarget>(in ReadOnlyTensorSpan<TTarget> targets, PtxLossOptions? options, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        BatchCount.CheckLength(tokenWeights, targets.FlattenedLength);
        Dimension* dimensions = stackalloc Dimension[RowLayout.MaxDimensions];
        fixed (TTarget* start = targets)
        {
            TargetRows<TTarget> rows = BatchRows.TargetsOf(start, in targets, dimensions, options ?? PtxLossOptions.Default);
            return BatchCount.OfAny(in rows, targets.Lengths, tokenWeights).Weight;
        }
    }

    /// <summary>What the options ask of every row.</summary>
    public static RowOptions RowOptionsOf(PtxLossOptions options) => new()
    {
        LabelSmoothing = options.LabelSmoothing,
        ZLossCoefficient = options.ZLossCoefficient,
        Transform = new(options.LogitSoftCap, options.LogitScale),
        VocabularyStart = options.VocabularyStart ?? 0,
        Accumulates = options.AccumulateGradient,
        MaxDegreeOfParallelism = options.MaxDegreeOfParallelism,
    };

    public static void CheckCoefficient(double ptxCoefficient)
    {
        if (!double.IsFinite(ptxCoefficient))
        {
            throw new ArgumentOutOfRangeException(nameof(ptxCoefficient), ptxCoefficient, "ptxCoefficient must be finite.");
        }
    }

    private static PtxLossResult Run<TLogit, TTarget>(
        double rlLoss,
        ref BatchMemory<TLogit, TTarget> memory,
        ReadOnlySpan<nint> shape,
        double ptxCoefficient,
        PtxLossOptions options,
        ReadOnlySpan<float> tokenWeights)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.For<TLogit>(logits: default);
        CheckCoefficient(ptxCoefficient);
        BatchCount.CheckLength(tokenWeights, memory.Targets.Count);
        BatchCount count = BatchCount.Of(in memory.Targets, memory.Logits.VocabularySize, shape, tokenWeights);
        var normalizer = new Normalizer(options);
        count.CheckDivisor(normalizer, nameof(options));
        fixed (float* weights = tokenWeights)
        {
            memory.TokenWeights = weights;
            if (memory.WantsGradient)
            {
                MemoryChecks.CheckGradient(
                    in memory, options.AccumulateGradient, [(MemoryRange.Of(weights, tokenWeights.Length), nameof(tokenWeights))]);
            }

            double scale = ptxCoefficient / normalizer.DivisorFor(count.Weight);
            var pass = new BatchPass<TLogit, TTarget>(kernel, in memory, RowOptionsOf(options), scale);
            TokenLosses sums = BatchScheduler.Run(in pass);
            var totals = new LossTotals(sums.CrossEntropy, sums.ZLoss, count.Weight, count.Tokens);
            return new PtxLossResult(rlLoss, ptxCoefficient, totals, normalizer, options.ZLossCoefficient);
        }
    }
}
