using System.Numerics.Tensors;
using PtxLosses.FusedHead;
using PtxLosses.Gemm;

namespace PtxLosses.Calls;

/// <summary>What a call that starts from hidden states checks of their shapes.</summary>
internal static class HeadArguments
{
    public static void CheckShapes(
        in ReadOnlyTensorSpan<float> hidden,
        in ReadOnlyTensorSpan<float> weight,
        int targets,
        int bias,
        in HeadGradients gradients)
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
        if (bias != 0)
        {
            Arguments.CheckLength(bias, vocabularySize, nameof(bias), "values, one per id of the vocabulary, or none");
        }

        if (!gradients.Bias.IsEmpty)
        {
            Arguments.CheckLength(gradients.Bias.Length, vocabularySize, "biasGradient", "values, one per id of the vocabulary, or none");
        }

        CheckGradient(gradients.Hidden, hidden.Lengths, "hiddenGradient", nameof(hidden));
        CheckGradient(gradients.Weight, weight.Lengths, "weightGradient", nameof(weight));
    }

    /// <summary>Checks that targets are not to be shifted.</summary>
    public static void CheckUnshifted(PtxLossOptions options)
    {
        if (options.ShiftTargets)
        {
            throw new ArgumentException(
                "options.ShiftTargets is true, but must be false here: give each hidden state the id that follows it, and the last of each sequence an ignored one.",
                nameof(options));
        }
    }

    /// <summary>The matrix of a tensor that was checked, or an empty one.</summary>
    public static unsafe MatrixView Matrix(float* start, ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides)
        => lengths.IsEmpty ? default : new(start, lengths[0], lengths[1], strides[0]);

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

        CheckDense(lengths, strides, name);
    }

    private static void CheckDense(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, string name)
    {
        if (lengths[1] > 1 && strides[1] != 1)
        {
            throw new ArgumentException(
                $"{name} has the strides {Shapes.Format(strides)}; in the last dimension the stride must be 1.", name);
        }
    }

    private static void CheckGradient(in TensorSpan<float> gradient, ReadOnlySpan<nint> needed, string name, string of)
    {
        if (gradient.Lengths.IsEmpty)
        {
            return;
        }

        if (!gradient.Lengths.SequenceEqual(needed))
        {
            throw new ArgumentException(
                $"{name} has the shape {Shapes.Format(gradient.Lengths)}, but {of} has {Shapes.Format(needed)}.", name);
        }

        CheckDense(gradient.Lengths, gradient.Strides, name);
        if (gradient.Lengths[0] > 1 && gradient.Strides[0] < gradient.Lengths[1])
        {
            throw new ArgumentException(
                $"{name} has the strides {Shapes.Format(gradient.Strides)}, so that its rows overlap each other; each needs memory of its own.",
                name);
        }
    }
}
