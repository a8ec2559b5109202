using System.Runtime.InteropServices;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Floats in native memory, aligned to a cache line: arrays start at any 8 bytes, which costs wide vectors some speed, by chance.
/// </summary>
internal sealed unsafe class AlignedFloats : IDisposable
{
    public const int Alignment = 64;

    public AlignedFloats(int length)
    {
        Length = length;
        Pointer = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), Alignment);
        Span.Clear(); // so that every page exists before anything is timed
    }

    public int Length { get; }

    public float* Pointer { get; private set; }

    public Span<float> Span => new(Pointer, Length);

    public void Dispose()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }
}
