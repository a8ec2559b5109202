using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using PtxLosses.Simd;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Elements of any type in native memory that lives as long as the process, aligned as <see cref="AlignedFloats"/> are.
/// </summary>
internal sealed unsafe class NativeArray<TElement>
    where TElement : unmanaged
{
    private readonly TElement* _start;
    private readonly int _length;

    /// <summary>All 0: so that every page exists before anything is timed.</summary>
    public NativeArray(int length)
    {
        _length = length;
        _start = (TElement*)NativeMemory.AlignedAlloc((nuint)_length * (nuint)sizeof(TElement), AlignedFloats.Alignment);
        Span.Clear();
    }

    public NativeArray(ReadOnlySpan<float> values)
        : this(values.Length)
    {
        for (int i = 0; i < _length; i++)
        {
            _start[i] = ElementConvert.FromDouble<TElement>(values[i]);
        }
    }

    public TElement* Pointer => _start;

    public Span<TElement> Span => new(_start, _length);

    /// <summary>As rows of so many columns.</summary>
    public TensorSpan<TElement> Rows(int columns) => new(Span, [_length / columns, columns]);
}
