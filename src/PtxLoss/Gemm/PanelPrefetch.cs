using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>
/// A walk over the cache lines of the block that is packed next. The micro-kernel prefetches one of them for each step of k. The
/// hardware does not do it by itself: such a block is many short pieces of memory, far from each other.
/// </summary>
internal unsafe struct PanelPrefetch
{
    /// <summary>The line to prefetch.</summary>
    public byte* Line;

    /// <summary>Bytes from there to the same line of the next piece.</summary>
    public long Stride;

    /// <summary>Bytes from behind the last piece to the next line of the first.</summary>
    public long Back;

    /// <summary>Pieces of contiguous memory: rows, or columns.</summary>
    public int Pieces;

    /// <summary>How many of them there are before the walk goes back to the first.</summary>
    public int PiecesLeft;

    private const int BytesPerLine = 64;
    private readonly byte* _rest;
    private long _linesLeft;

    private PanelPrefetch(byte* start, long stride, int pieces, long bytesPerPiece, byte* rest)
    {
        Line = start;
        Stride = stride;
        Pieces = PiecesLeft = pieces;
        Back = BytesPerLine - (pieces * stride);
        _rest = rest;
        _linesLeft = pieces * Segments.Count(bytesPerPiece, BytesPerLine);
        Count(0);
    }

    /// <param name="block">What is packed next; it may be empty.</param>
    /// <param name="rest">What to prefetch, over and over, when the walk is done.</param>
    public static PanelPrefetch Over<TElement>(in MatrixView<TElement> block, float* rest)
        where TElement : unmanaged
    {
        MatrixView<TElement> pieces = block.ColumnStride == 1 ? block : block.Transposed;
        long stride = pieces.RowStride * sizeof(TElement), bytesPerPiece = pieces.Columns * sizeof(TElement);
        return new((byte*)pieces.Start, stride, (int)pieces.Rows, bytesPerPiece, (byte*)rest);
    }

    public readonly bool IsDone => _linesLeft <= 0;

    /// <summary>
    /// Counts lines that were prefetched. By then the walk may have left the block. That does no harm, even where there is no
    /// memory.
    /// </summary>
    public void Count(int lines)
    {
        _linesLeft -= lines;
        if (IsDone)
        {
            Line = _rest;
            Stride = Back = 0;
            Pieces = PiecesLeft = int.MaxValue;
        }
    }
}
