using System.Numerics.Tensors;

namespace PtxLosses.Calls;

/// <summary>What calls over logits check of lengths and shapes.</summary>
internal static class BatchShapes
{
    /// <summary>Checks that spans of logits and targets are rows of a vocabulary, one per target.</summary>
    public static void Check(int logits, int targets, int vocabularySize)
    {
        if (vocabularySize < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(vocabularySize), vocabularySize, "vocabularySize must be at least 1.");
        }

        if (targets == 0 && logits > 0)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"targets is empty, but logits holds {logits} values, vocabularySize {vocabularySize} per target."),
                nameof(targets));
        }

        long needed = (long)targets * vocabularySize;
        if (logits != needed)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"logits holds {logits} values, but {targets} targets × vocabularySize {vocabularySize} need {needed}."),
                nameof(logits));
        }
    }

    /// <summary>
    /// Checks that the logits are rows of a vocabulary, one per target, whose elements are next to each other.
    /// </summary>
    public static void Check<TLogit, TTarget>(in ReadOnlyTensorSpan<TLogit> logits, in ReadOnlyTensorSpan<TTarget> targets)
    {
        ReadOnlySpan<nint> shape = logits.Lengths;
        if (shape.Length < 2)
        {
            throw new ArgumentException(
                $"logits has the shape {Shapes.Format(shape)}, but needs at least two dimensions, [.., vocabulary].",
                nameof(logits));
        }

        if (shape[^1] is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"logits has the shape {Shapes.Format(shape)}; its last dimension, the vocabulary, "
                    + $"must be from 1 to {int.MaxValue}.",
                nameof(logits));
        }

        Shapes.CheckDense(shape, logits.Strides, nameof(logits), "the last dimension, the vocabulary,");
        if (!targets.Lengths.SequenceEqual(shape[..^1]))
        {
            string needed = Shapes.Format(shape[..^1]);
            throw new ArgumentException(
                $"targets has the shape {Shapes.Format(targets.Lengths)}, "
                    + $"but logits of shape {Shapes.Format(shape)} needs {needed}.",
                nameof(targets));
        }
    }

    /// <summary>Checks that a gradient is shaped like the logits.</summary>
    public static void CheckGradient<TLogit>(in ReadOnlyTensorSpan<TLogit> logits, in TensorSpan<TLogit> logitsGradient)
    {
        Shapes.CheckSame(logitsGradient.Lengths, logits.Lengths, nameof(logitsGradient), nameof(logits));
        Shapes.CheckDense(
            logitsGradient.Lengths, logitsGradient.Strides, nameof(logitsGradient), "the last dimension, the vocabulary,");
    }
}
