namespace PtxLosses.Common;

/// <summary>A span cut into parts of one length, of which the last may be shorter.</summary>
internal static class Segments
{
    public static int Count(int length, int segmentLength) => (int)Count((long)length, segmentLength);

    public static long Count(long length, long segmentLength) => (length + segmentLength - 1) / segmentLength;

    public static Span<T> Slice<T>(Span<T> span, int segment, int segmentLength)
    {
        int start = segment * segmentLength;
        return span.Slice(start, Math.Min(segmentLength, span.Length - start));
    }
}
