using System.Numerics.Tensors;

namespace PtxLosses.Calls;

/// <summary>What calls from hidden states check of lengths and shapes.</summary>
internal static class HeadShapes
{
    public static void Check<TElement>(
        in ReadOnlyTensorSpan<TElement> hidden,
        in ReadOnlyTensorSpan<TElement> weight,
        int tokens,
        int bias,
        in HiddenGradients<TElement> gradients,
        string gradientsName)
        where TElement : unmanaged
    {
        CheckMatrix(hidden.Lengths, hidden.Strides, nameof(hidden), "[tokens, d]");
        CheckMatrix(weight.Lengths, weight.Strides, nameof(weight), "[vocabulary, d]");
        if (weight.Lengths[0] is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"weight has the shape {Shapes.Format(weight.Lengths)}; its first dimension, the vocabulary, "
                    + $"must be from 1 to {int.MaxValue}.",
                nameof(weight));
        }

        if (hidden.Lengths[1] != weight.Lengths[1])
        {
            throw new ArgumentException(
                $"weight has the shape {Shapes.Format(weight.Lengths)}, but hidden has {Shapes.Format(hidden.Lengths)}; "
                    + "their last dimensions must be equal.",
                nameof(weight));
        }

        if (tokens != hidden.Lengths[0])
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"targets has length {tokens}, but hidden of shape {Shapes.Format(hidden.Lengths)} needs one per token."),
                "targets");
        }

        int vocabularySize = (int)weight.Lengths[0];
        const string unit = "values, one per id of the vocabulary, or none";
        MemoryChecks.CheckLength(bias == 0 ? vocabularySize : bias, vocabularySize, nameof(bias), unit);
        int ofBias = gradients.Bias.Length;
        MemoryChecks.CheckLength(ofBias == 0 ? vocabularySize : ofBias, vocabularySize, $"{gradientsName}.Bias", unit);
        CheckGradient(
            gradients.Hidden.Lengths, gradients.Hidden.Strides, hidden.Lengths, $"{gradientsName}.Hidden", nameof(hidden));
        CheckGradient(
            gradients.Weight.Lengths, gradients.Weight.Strides, weight.Lengths, $"{gradientsName}.Weight", nameof(weight));
    }

    private static void CheckMatrix(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, string name, string shape)
    {
        if (lengths.Length != 2)
        {
            throw new ArgumentException(
                $"{name} has the shape {Shapes.Format(lengths)}, but needs two dimensions, {shape}.", name);
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
                $"{name} has the strides {Shapes.Format(strides)}, so that its rows overlap each other; "
                    + "each needs memory of its own.",
                name);
        }
    }
}
