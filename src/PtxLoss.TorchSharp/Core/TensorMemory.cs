using System.Numerics.Tensors;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// Tensors in the memory of the CPU as spans: no copy, any strides, any size. The tensor must outlive its span.
/// </summary>
internal static unsafe class TensorMemory
{
    /// <summary>The elements of a tensor.</summary>
    /// <param name="tensor">The tensor, in the memory of the CPU, its elements of type T, of which there are some.</param>
    /// <param name="dimensions">How many dimensions there are at least: leading ones of length 1 are added.</param>
    public static ReadOnlyTensorSpan<T> Read<T>(Tensor tensor, int dimensions)
        where T : unmanaged
    {
        Layout layout = LayoutOf(tensor, dimensions);
        return new((T*)Start(tensor), layout.Extent, layout.Lengths, layout.Strides);
    }

    /// <inheritdoc cref="Read"/>
    public static TensorSpan<T> Write<T>(Tensor tensor, int dimensions)
        where T : unmanaged
    {
        Layout layout = LayoutOf(tensor, dimensions);
        return new((T*)Start(tensor), layout.Extent, layout.Lengths, layout.Strides);
    }

    /// <summary>The elements of a contiguous tensor as rows of its last dimension.</summary>
    public static TensorSpan<T> WriteMatrix<T>(Tensor tensor)
        where T : unmanaged
    {
        nint count = (nint)tensor.numel(), columns = (nint)tensor.LastLength();
        return new((T*)Start(tensor), count, [count / columns, columns], []);
    }

    /// <summary>The elements of a contiguous tensor in their order.</summary>
    public static Span<T> Flat<T>(Tensor tensor)
        where T : unmanaged
    {
        long count = tensor.numel();
        return count == 0 ? [] : new((T*)Start(tensor), checked((int)count));
    }

    /// <summary>Where the first element of a tensor that has one is.</summary>
    public static void* Start(Tensor tensor)
    {
        if (tensor.is_contiguous() && tensor.numel() * tensor.element_size() <= int.MaxValue)
        {
            return Pointer(tensor);
        }

        // A view of the first element alone, for only small and contiguous tensors tell where they are.
        using Tensor detached = tensor.detach();
        using Tensor first = detached.as_strided([1], [1], detached.storage_offset());
        return Pointer(first);
    }

    private static void* Pointer(Tensor tensor)
    {
        fixed (byte* start = tensor.bytes)
        {
            return start; // it is no managed memory: it stays where it is
        }
    }

    private static Layout LayoutOf(Tensor tensor, int dimensions)
    {
        long[] shape = tensor.Lengths(), strides = tensor.Strides();
        int added = Math.Max(0, dimensions - shape.Length);
        nint[] lengths = new nint[added + shape.Length], steps = new nint[lengths.Length];
        nint extent = 1;
        for (int i = lengths.Length - 1; i >= 0; i--)
        {
            lengths[i] = i < added ? 1 : (nint)shape[i - added];
            steps[i] = lengths[i] <= 1 ? 0 : (nint)strides[i - added]; // of one element torch allows any stride
            extent += (lengths[i] - 1) * steps[i];
        }

        return new(lengths, steps, extent);
    }

    /// <param name="Lengths">The shape.</param>
    /// <param name="Strides">How many elements apart neighbours are.</param>
    /// <param name="Extent">From the first element to behind the last, in elements.</param>
    private readonly record struct Layout(nint[] Lengths, nint[] Strides, nint Extent);
}
