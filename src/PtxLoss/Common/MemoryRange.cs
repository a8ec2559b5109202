namespace PtxLosses.Common;

/// <summary>Pinned memory.</summary>
/// <param name="Start">The address of its first byte.</param>
/// <param name="Bytes">Its length.</param>
internal readonly record struct MemoryRange(nint Start, long Bytes)
{
    public static unsafe MemoryRange Of<T>(T* start, long count)
        where T : unmanaged
        => new((nint)start, count * sizeof(T));

    public bool Overlaps(MemoryRange other)
        => Bytes > 0 && other.Bytes > 0 && Start < other.Start + other.Bytes && other.Start < Start + Bytes;
}
