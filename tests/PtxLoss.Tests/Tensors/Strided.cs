using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Elements of a tensor somewhere in an array, with filler around and between them.</summary>
internal sealed class Strided<T>
    where T : unmanaged
{
    private readonly Layout _layout;
    private readonly int _start;
    private readonly T _filler;

    /// <param name="values">The elements in row-major order. Where a stride is 0, the last of those in one place stays.</param>
    /// <param name="lengths">The shape.</param>
    /// <param name="strides">The strides.</param>
    /// <param name="filler">What stands elsewhere.</param>
    /// <param name="start">How much of it stands before the first element, and as much behind the last.</param>
    public Strided(T[] values, nint[] lengths, nint[] strides, T filler, int start = 3)
    {
        _layout = new(lengths, strides);
        _start = start;
        _filler = filler;
        T[] around = [.. Enumerable.Repeat(filler, start)];
        Memory = [.. around, .. _layout.Scatter(values, filler), .. around];
    }

    public T[] Memory { get; }

    public TensorSpan<T> Span => new(Memory, _start, _layout.Lengths, _layout.Strides);

    public ReadOnlyTensorSpan<T> ReadOnlySpan => Span;

    public Tensor<T> Tensor => System.Numerics.Tensors.Tensor.Create(Memory, _start, _layout.Lengths, _layout.Strides);

    /// <summary>The elements in row-major order.</summary>
    public T[] Values => _layout.Gather<T>(Memory.AsMemory(_start));

    /// <summary>Whether all that is not an element is the filler still.</summary>
    public bool GapsAreUntouched()
        => _layout.GapsAre<T>(Memory.AsMemory(_start), _filler) && Memory.Take(_start).All(x => x.Equals(_filler));
}
