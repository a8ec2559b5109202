using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// Shapes and strides, a length at a time: torch's own lists are made through a callback, which takes a hundred times as long.
/// </summary>
internal static class TensorShape
{
    /// <summary>The shape.</summary>
    public static long[] Lengths(this Tensor tensor)
    {
        long[] lengths = new long[tensor.dim()];
        for (int i = 0; i < lengths.Length; i++)
        {
            lengths[i] = tensor.size(i);
        }

        return lengths;
    }

    /// <summary>How many elements apart neighbours are.</summary>
    public static long[] Strides(this Tensor tensor)
    {
        long[] strides = new long[tensor.dim()];
        for (int i = 0; i < strides.Length; i++)
        {
            strides[i] = tensor.stride(i);
        }

        return strides;
    }

    /// <summary>The length of the last dimension.</summary>
    public static long LastLength(this Tensor tensor) => tensor.size(-1);

    /// <summary>Whether neighbours in the last dimension are next to each other.</summary>
    public static bool IsLastDense(this Tensor tensor) => tensor.size(-1) <= 1 || tensor.stride(-1) == 1;

    /// <summary>Whether ids have the leading shape of a tensor.</summary>
    public static bool IsLeadingShapeOf(this Tensor ids, Tensor tensor)
    {
        long dimensions = ids.dim();
        bool same = dimensions == tensor.dim() - 1;
        for (int i = 0; same && i < dimensions; i++)
        {
            same = ids.size(i) == tensor.size(i);
        }

        return same;
    }

    /// <summary>The tensor without its graph; a copy where the last dimension is not dense.</summary>
    public static Tensor DetachedWithDenseRows(this Tensor tensor)
    {
        Tensor detached = tensor.detach();
        if (detached.IsLastDense())
        {
            return detached;
        }

        using (detached)
        {
            return detached.contiguous();
        }
    }
}
