using System.Numerics.Tensors;

namespace PtxLosses.Calls;

/// <summary>What every call over tensors checks of their shapes.</summary>
internal static class TensorArguments
{
    /// <summary>
    /// Checks that the logits are rows of a vocabulary, one per target, whose elements are next to each other, and returns the
    /// length of a row.
    /// </summary>
    public static int CheckShapes<TLogit, TTarget>(in ReadOnlyTensorSpan<TLogit> logits, in ReadOnlyTensorSpan<TTarget> targets)
    {
        ReadOnlySpan<nint> shape = logits.Lengths;
        if (shape.Length < 2)
        {
            throw new ArgumentException(
                $"logits has the shape {Shapes.Format(shape)}, but needs at least two dimensions, [.., vocabulary].", nameof(logits));
        }

        if (shape[^1] is < 1 or > int.MaxValue)
        {
            throw new ArgumentException(
                $"logits has the shape {Shapes.Format(shape)}; its last dimension, the vocabulary, must be from 1 to {int.MaxValue}.",
                nameof(logits));
        }

        CheckDense(shape, logits.Strides, nameof(logits));
        if (!targets.Lengths.SequenceEqual(shape[..^1]))
        {
            string needed = Shapes.Format(shape[..^1]);
            throw new ArgumentException(
                $"targets has the shape {Shapes.Format(targets.Lengths)}, but logits of shape {Shapes.Format(shape)} needs {needed}.",
                nameof(targets));
        }

        return (int)shape[^1];
    }

    /// <summary>Checks that a gradient is shaped like the logits.</summary>
    public static void CheckGradientShape<TLogit>(in ReadOnlyTensorSpan<TLogit> logits, in TensorSpan<TLogit> logitsGradient)
    {
        if (!logitsGradient.Lengths.SequenceEqual(logits.Lengths))
        {
            string actual = Shapes.Format(logitsGradient.Lengths), needed = Shapes.Format(logits.Lengths);
            throw new ArgumentException(
                $"logitsGradient has the shape {actual}, but logits has {needed}.",
                nameof(logitsGradient));
        }

        CheckDense(logitsGradient.Lengths, logitsGradient.Strides, nameof(logitsGradient));
    }

    private static void CheckDense(ReadOnlySpan<nint> lengths, ReadOnlySpan<nint> strides, string name)
    {
        if (lengths[^1] > 1 && strides[^1] != 1)
        {
            throw new ArgumentException(
                $"{name} has the strides {Shapes.Format(strides)}; in the last dimension, the vocabulary, the stride must be 1.",
                name);
        }
    }
}
