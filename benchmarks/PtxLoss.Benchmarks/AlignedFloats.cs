using System.Runtime.InteropServices;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Floats in native memory, aligned to a cache line: arrays start at any 8 bytes, which costs wide vectors some speed, by chance.
/// </summary>
internal sealed unsafe class AlignedFloats : IDisposable
{
    public const int Alignment = 64;

    /// <summary>As many floats as are written or read at once: all of them may be more bytes than a span holds.</summary>
    private const int Chunk = 1 << 20;

    public AlignedFloats(int length)
    {
        Length = length;
        Pointer = (float*)NativeMemory.AlignedAlloc((nuint)length * sizeof(float), Alignment);
        Span.Clear(); // so that every page exists before anything is timed
    }

    public int Length { get; }

    public float* Pointer { get; private set; }

    public Span<float> Span => new(Pointer, Length);

    /// <summary>Leaves the bare numbers, little-endian, to other processes.</summary>
    public void Save(string path)
    {
        using FileStream file = File.Create(path);
        for (int start = 0; start < Length; start += Chunk)
        {
            file.Write(Bytes(start));
        }
    }

    /// <summary>Reads what <see cref="Save"/> left of as many numbers.</summary>
    public void Load(string path)
    {
        using FileStream file = File.OpenRead(path);
        for (int start = 0; start < Length; start += Chunk)
        {
            file.ReadExactly(Bytes(start));
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }

    private Span<byte> Bytes(int start) => MemoryMarshal.AsBytes(Span.Slice(start, Math.Min(Chunk, Length - start)));
}
