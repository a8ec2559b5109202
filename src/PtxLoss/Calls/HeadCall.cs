using System.Numerics;
using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.FusedHead;
using PtxLosses.Gemm;

namespace PtxLosses.Calls;

/// <summary>
/// The way of the calls that start from hidden states: that of <see cref="LossCall"/>, with matrices for logits.
/// </summary>
internal static unsafe class HeadCall
{
    private const string WhyUnshifted = "here: give each hidden state the id that follows it, and the last of each sequence an ignored one";

    public static PtxLossResult Run<TTarget>(
        double rlLoss,
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        ReadOnlySpan<TTarget> targets,
        double ptxCoefficient,
        HiddenGradients<float> gradients,
        PtxLossOptions? options,
        ReadOnlySpan<float> bias,
        ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, HonouredOptions.Reduction, WhyUnshifted);
        CheckShapes(in hidden, in weight, targets.Length, bias.Length, in gradients);
        LossCall.CheckCoefficient(ptxCoefficient);
        BatchCount.CheckLength(tokenWeights, targets.Length);
        fixed (float* hiddenStart = hidden, weightStart = weight, hiddenGradientStart = gradients.Hidden, weightGradientStart = gradients.Weight)
        fixed (float* biasStart = bias, biasGradientStart = gradients.Bias, tokenWeightsStart = tokenWeights)
        fixed (TTarget* targetsStart = targets)
        {
            int vocabularySize = (int)weight.Lengths[0], hiddenSize = (int)hidden.Lengths[1];
            var targetRows = new TargetRows<TTarget>(targetsStart, targets.Length, options.IgnoreIndex);
            BatchCount count = BatchCount.Of(in targetRows, vocabularySize, [targets.Length], tokenWeights);
            var normalizer = new Normalizer(options);
            count.CheckDivisor(normalizer, nameof(options));
            var pass = new FusedHeadPass<TTarget>
            {
                Hidden = Matrix(hiddenStart, hidden.Lengths, hidden.Strides),
                Weight = Matrix(weightStart, weight.Lengths, weight.Strides),
                Bias = biasStart,
                Targets = targetRows,
                TokenWeights = tokenWeightsStart,
                HiddenGradient = Matrix(hiddenGradientStart, gradients.Hidden.Lengths, gradients.Hidden.Strides),
                WeightGradient = Matrix(weightGradientStart, gradients.Weight.Lengths, gradients.Weight.Strides),
                BiasGradient = biasGradientStart,
                Options = LossCall.RowOptionsOf(options),
                Scale = ptxCoefficient / normalizer.DivisorFor(count.Weight),
            };
            CheckMemory(pass);
            CheckScratch(options.MaxScratchBytes, vocabularySize, hiddenSize);
            using var scratch = new HeadScratch(count.Tokens, vocabularySize, hiddenSize, options.MaxScratchBytes, options.MaxDegreeOfParallelism);
            TokenLosses sums = pass.Run(scratch);
            var totals = new LossTotals(sums.CrossEntropy, sums.ZLoss, count.Weight, count.Tokens);
            return new PtxLossResult(rlLoss, ptxCoefficient, totals, normalizer, options.ZLossCoefficient);
        }
    }

    private static void CheckShapes(
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        int targets,
        int bias,
        in HiddenGradients<float> gradients)
    {
        CheckMatrix(hidden.Lengths, hidden.Strides, nameof(hidden), "[tokens, d]");
        CheckMatrix(weight.Lengths, weight.Strides, nameof(weight), "[vocabulary, d]");
        if (weight.Lengths[0] is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"weight has the shape {Shapes.Format(weight.Lengths)}; its first dimension, the vocabulary, must be from 1 to {int.MaxValue}.",
                nameof(weight));
        }

        if (hidden.Lengths[1] != weight.Lengths[1])
        {
            throw new ArgumentException(
                $"weight has the shape {Shapes.Format(weight.Lengths)}, but hidden has {Shapes.Format(hidden.Lengths)}; their last dimensions must be equal.",
                nameof(weight));
        }

        if (targets != hidden.Lengths[0])
        {
            throw new ArgumentException(
                FormattableString.Invariant($"targets has length {targets}, but hidden of shape {Shapes.Format(hidden.Lengths)} needs one per token."),
                nameof(targets));
        }

        int vocabularySize = (int)weight.Lengths[0];
        const string unit = "values, one per id of the vocabulary, or none";
        MemoryChecks.CheckLength(bias == 0 ? vocabularySize : bias, vocabularySize, nameof(bias), unit);
        int ofBias = gradients.Bias.Length;
        MemoryChecks.CheckLength(ofBias == 0 ? vocabularySize : ofBias, vocabularySize, "gradients.Bias", unit);
        CheckGradient(gradients.Hidden.Lengths, gradients.Hidden.Strides, hidden.Lengths, "gradients.Hidden", nameof(hidden));
        CheckGradient(gradients.Weight.Lengths, gradients.Weight.Strides, weight.Lengths, "gradients.Weight", nameof(weight));
    }

    private static void CheckMatrix(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, string name, string shape)
    {
        if (lengths.Length != 2)
        {
            throw new ArgumentException($"{name} has the shape {Shapes.Format(lengths)}, but needs two dimensions, {shape}.", name);
        }

        if (lengths[1] is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"{name} has the shape {Shapes.Format(lengths)}; its last dimension must be from 1 to {int.MaxValue}.", name);
        }

        Shapes.CheckDense(lengths, strides, name, "the last dimension");
    }

    private static void CheckGradient(
        ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, ReadOnlySpan<nint> needed, string name, string of)
    {
        if (lengths.IsEmpty)
        {
            return;
        }

        Shapes.CheckSame(lengths, needed, name, of);
        Shapes.CheckDense(lengths, strides, name, "the last dimension");
        if (lengths[0] > 1 && strides[0] < lengths[1])
        {
            throw new ArgumentException(
                $"{name} has the strides {Shapes.Format(strides)}, so that its rows overlap each other; each needs memory of its own.", name);
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
                FormattableString.Invariant($"options.MaxScratchBytes is {maxScratchBytes}, but a vocabulary of {vocabularySize} and hidden states of {hiddenSize} need at least {least}."));
        }
    }

    /// <summary>Checks that what is written has no element in common with anything else.</summary>
    private static void CheckMemory<TTarget>(FusedHeadPass<TTarget> pass)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        int vocabularySize = (int)pass.Weight.Rows;
        ReadOnlySpan<(MatrixView<float> Matrix, string Name)> all =
        [
            (pass.HiddenGradient, "gradients.Hidden"),
            (pass.WeightGradient, "gradients.Weight"),
            (Row(pass.BiasGradient, vocabularySize), "gradients.Bias"),
            (pass.Hidden, "hidden"),
            (pass.Weight, "weight"),
            (Row(pass.Bias, vocabularySize), "bias"),
            (Row(pass.TokenWeights, pass.Targets.Count), "tokenWeights"),
        ];
        const int outputs = 3;
        for (int i = 0; i < outputs; i++)
        {
            (MatrixView<float> output, string name) = all[i];
            MemoryChecks.Refuse(output.Memory.Overlaps(pass.Targets.Memory), name, "targets");
            foreach ((MatrixView<float> other, string otherName) in all[(i + 1)..])
            {
                MemoryChecks.Refuse(output.Overlaps(in other), name, otherName);
            }
        }

        static MatrixView<float> Row(float* start, long length) => new(start, start == null ? 0 : 1, length, length);
    }

    private static MatrixView<float> Matrix(float* start, ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
        => lengths.IsEmpty ? default : new(start, lengths[0], lengths[1], strides[0]);
}
