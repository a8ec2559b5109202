using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.Calls;
using PtxLosses.FusedHead;

namespace PtxLosses;

// The fused head: the loss of logits that are computed on the way and never held all at once.
public static partial class PtxLoss
{
    /// <summary>
    /// Computes the loss from the hidden states that the last layer of a model gets, <c>logits = hidden · weightᵀ + bias</c>,
    /// without the memory that all logits would take.
    /// </summary>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>; the last dimension has stride 1, the first any. Those of ignored tokens are not read.
    /// </param>
    /// <param name="weight">The weight of the layer, <c>[vocabulary, d]</c>, with strides like those of the hidden states.</param>
    /// <param name="targets">The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabulary)</c> or ignored.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <returns>
    /// What <c>Compute</c> returns for these logits, to the rounding of their sums. Zero tokens, or only ignored ones, give
    /// <paramref name="rlLoss"/> as the total.
    /// </returns>
    /// <remarks>
    /// Tokens are worked on in parts, as many at a time as <see cref="PtxLossOptions.MaxScratchBytes"/> has room for. Results are
    /// bit-identical for any number of threads; another room may change their last bits. Source of the idea: Wijmans et al., "Cut
    /// Your Losses in Large-Vocabulary Language Models", 2024, and Liger-Kernel's <c>fused_linear_cross_entropy</c>.
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// Shapes disagree, the vocabulary or a last dimension is empty, a last dimension is not of stride 1, a target is out of range, γ
    /// is not finite, or an option is out of range or has no meaning here: <see cref="PtxLossOptions.ShiftTargets"/> or
    /// <see cref="PtxLossOptions.VocabularyStart"/>.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs of what it may take. Nothing has been written.</exception>
    public static PtxLossResult ComputeFromHidden<TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> bias = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => RunHead(rlLoss, in hidden, in weight, targets, ptxCoefficient, default, options ?? PtxLossOptions.Default, bias);

    /// <summary>
    /// Computes the loss from the hidden states that the last layer of a model gets, <c>logits = hidden · weightᵀ + bias</c>, and the
    /// gradients of the total, without the memory that all logits or their gradient would take.
    /// </summary>
    /// <typeparam name="TTarget">Any integer type.</typeparam>
    /// <param name="rlLoss">The RL loss of the step, passed through as it is.</param>
    /// <param name="hidden">
    /// The hidden states, <c>[tokens, d]</c>; the last dimension has stride 1, the first any. Those of ignored tokens are not read.
    /// </param>
    /// <param name="weight">The weight of the layer, <c>[vocabulary, d]</c>, with strides like those of the hidden states.</param>
    /// <param name="targets">The ids of the tokens to predict, <c>[tokens]</c>, each in <c>[0, vocabulary)</c> or ignored.</param>
    /// <param name="ptxCoefficient">γ, finite.</param>
    /// <param name="hiddenGradient">
    /// Receives <c>∂Total/∂hidden</c>, shaped like the hidden states; rows of ignored tokens become 0. <c>default</c>: not computed.
    /// </param>
    /// <param name="weightGradient">
    /// Receives <c>∂Total/∂weight</c>, shaped like the weight. <c>default</c>: not computed, as where the head is frozen.
    /// </param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>. With <see cref="PtxLossOptions.AccumulateGradient"/> all
    /// gradients are added to what their memory holds.
    /// </param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>; empty for none.</param>
    /// <param name="biasGradient">Receives <c>∂Total/∂bias</c>, <c>[vocabulary]</c>; empty: not computed.</param>
    /// <returns>As for <c>ComputeFromHidden</c>.</returns>
    /// <remarks>See <c>ComputeFromHidden</c>. No logit is computed twice.</remarks>
    /// <exception cref="ArgumentException">
    /// As for <c>ComputeFromHidden</c>, or a gradient has another shape than what it belongs to, or may have elements in common with
    /// anything else that is passed: rows may lie between other rows only if they are as far apart. Nothing has been written.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs of what it may take. Nothing has been written.</exception>
    public static PtxLossResult ComputeFromHiddenWithGradient<TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        in TensorSpan<float> hiddenGradient,
        in TensorSpan<float> weightGradient,
        PtxLossOptions? options = null,
        ReadOnlySpan<float> bias = default,
        Span<float> biasGradient = default)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        var gradients = new HeadGradients { Hidden = hiddenGradient, Weight = weightGradient, Bias = biasGradient };
        return RunHead(rlLoss, in hidden, in weight, targets, ptxCoefficient, gradients, options ?? PtxLossOptions.Default, bias);
    }

    private static unsafe PtxLossResult RunHead<TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        HeadGradients gradients,
        PtxLossOptions options,
        ReadOnlySpan<float> bias)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        HeadArguments.CheckShapes(in hidden, in weight, targets.Length, bias.Length, in gradients);
        HeadArguments.CheckUnshifted(options);
        OptionRanges.Check(options, targets.Length);
        Arguments.CheckCoefficient(ptxCoefficient);
        Arguments.CheckWhole(options);
        ReadOnlySpan<float> tokenWeights = options.TokenWeights.Span;
        fixed (float* hiddenStart = hidden, weightStart = weight, hiddenGradientStart = gradients.Hidden, weightGradientStart = gradients.Weight)
        fixed (float* biasStart = bias, biasGradientStart = gradients.Bias, tokenWeightsStart = tokenWeights)
        fixed (TTarget* targetsStart = targets)
        {
            int vocabularySize = (int)weight.Lengths[0];
            var targetRows = new TargetRows<TTarget>(targetsStart, targets.Length, options.IgnoreIndex);
            long tokenCount = Arguments.CheckTargets(in targetRows, vocabularySize, [targets.Length], options);
            double weightSum = tokenWeights.IsEmpty ? tokenCount : targetRows.SumWeights(tokenWeights);
            var divisor = new Normalizer(options);
            Arguments.CheckDenominator(divisor, weightSum, tokenCount, nameof(options));
            var head = new FusedHeadPass<TTarget>
            {
                Hidden = HeadArguments.Matrix(hiddenStart, hidden.Lengths, hidden.Strides),
                Weight = HeadArguments.Matrix(weightStart, weight.Lengths, weight.Strides),
                Bias = biasStart,
                Targets = targetRows,
                TokenWeights = tokenWeightsStart,
                HiddenGradient = HeadArguments.Matrix(hiddenGradientStart, gradients.Hidden.Lengths, gradients.Hidden.Strides),
                WeightGradient = HeadArguments.Matrix(weightGradientStart, gradients.Weight.Lengths, gradients.Weight.Strides),
                BiasGradient = biasGradientStart,
                Options = options,
                Scale = ptxCoefficient / divisor.Of(weightSum),
            };
            head.CheckMemory();
            using var scratch = new HeadScratch(tokenCount, vocabularySize, (int)hidden.Lengths[1], options);
            TokenLosses sums = head.Run(scratch);
            var totals = new LossTotals(sums.CrossEntropy, sums.ZLoss, weightSum, tokenCount);
            return new PtxLossResult(rlLoss, ptxCoefficient, totals, divisor, options.ZLossCoefficient);
        }
    }
}
