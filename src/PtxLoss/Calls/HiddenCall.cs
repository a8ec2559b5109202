using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.FusedHead;
using PtxLosses.Gemm;

namespace PtxLosses.Calls;

/// <summary>Calls from hidden states: logits = hidden · weightᵀ + bias, which are never in memory all at once.</summary>
internal static unsafe class HiddenCall
{
    private const string WhyUnshifted =
        "here: give each hidden state the id that follows it, and the last of each sequence an ignored one";

    public static PtxLossResult Run<TCall, TElement, TTarget>(
        TCall call,
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        TargetList<TTarget> targets,
        HiddenGradients<TElement> gradients,
        PtxLossOptions? options,
        ReadOnlySpan<TElement> bias,
        string gradientsName = "gradients")
        where TCall : struct, ICall<TTarget>, allows ref struct
        where TElement : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, call.Honoured, targets.AreSoft, WhyUnshifted);
        CheckType<TElement>();
        HeadShapes.Check(in hidden, in weight, targets.Tokens, bias.Length, in gradients, gradientsName);
        int vocabularySize = (int)weight.Lengths[0];
        CheckScratch(options.MaxScratchBytes, vocabularySize, (int)hidden.Lengths[1]);
        fixed (TElement* hiddenStart = hidden, weightStart = weight, biasStart = bias, hiddenGradientStart = gradients.Hidden)
        fixed (float* weightGradientStart = gradients.Weight, biasGradientStart = gradients.Bias)
        fixed (TTarget* ids = targets.Ids)
        fixed (float* probabilities = targets.Probabilities)
        {
            var matrices = new HeadMatrices<TElement>
            {
                Hidden = Matrix(hiddenStart, hidden.Lengths, hidden.Strides),
                Weight = Matrix(weightStart, weight.Lengths, weight.Strides),
                Bias = biasStart,
                HiddenGradient = Matrix(hiddenGradientStart, gradients.Hidden.Lengths, gradients.Hidden.Strides),
                WeightGradient = Matrix(weightGradientStart, gradients.Weight.Lengths, gradients.Weight.Strides),
                BiasGradient = biasGradientStart,
            };
            var source = new HeadSource<TElement, TTarget>(matrices, gradientsName, options.MaxScratchBytes);
            var rows = new TargetRows<TTarget>(ids, probabilities, targets.Tokens, targets.IdsPerToken, options.IgnoreIndex);
            return call.Run(in source, in rows, [targets.Tokens], options);
        }
    }

    private static void CheckType<TElement>()
    {
        if (typeof(TElement) != typeof(float) && typeof(TElement) != typeof(Half) && typeof(TElement) != typeof(BFloat16))
        {
            throw new ArgumentException(
                $"hidden states of type {typeof(TElement)} are not supported; float, Half and PtxLosses.BFloat16 are.", "hidden");
        }
    }

    private static void CheckScratch(long maxScratchBytes, int vocabularySize, int hiddenSize)
    {
        long least = HeadScratch.Needed(tokens: 1, vocabularySize, hiddenSize);
        if (maxScratchBytes < least)
        {
            throw new ArgumentOutOfRangeException(
                "options",
                maxScratchBytes,
                FormattableString.Invariant(
                    $"options.MaxScratchBytes is {maxScratchBytes}, but a vocabulary of {vocabularySize} ")
                    + FormattableString.Invariant($"and hidden states of {hiddenSize} need at least {least}."));
        }
    }

    private static MatrixView<T> Matrix<T>(T* start, ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
        where T : unmanaged
        => lengths.IsEmpty ? default : new(start, lengths[0], lengths[1], strides[0]);
}
