using System.Runtime.InteropServices;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Numbers in native memory, aligned to a cache line: arrays start at any 8 bytes, which costs wide vectors some speed, by chance.
/// </summary>
internal sealed unsafe class AlignedArray<T> : IDisposable
    where T : unmanaged
{
    public const int Alignment = 64;

    /// <summary>As many numbers as are written or read at once: all of them may be more bytes than a span holds.</summary>
    private const int Chunk = 1 << 20;

    public AlignedArray(int length)
    {
        Length = length;
        Pointer = (T*)NativeMemory.AlignedAlloc((nuint)length * (nuint)sizeof(T), Alignment);
        Span.Clear(); // so that every page exists before anything is timed
    }

    public int Length { get; }

    public T* Pointer { get; private set; }

    public Span<T> Span => new(Pointer, Length);

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
