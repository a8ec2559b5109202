using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>
/// A walk over the cache lines of the block that is packed next. The micro-kernel prefetches one of them for each step of k. The
/// hardware does not do it by itself: such a block is many short pieces of memory, far from each other.
/// </summary>
internal unsafe struct PanelPrefetch
{
    /// <summary>The line to prefetch.</summary>
    public float* Line;

    /// <summary>From there to the same line of the next piece.</summary>
    public long Stride;

    /// <summary>From behind the last piece to the next line of the first.</summary>
    public long Back;

    /// <summary>Pieces of contiguous memory: rows, or columns.</summary>
    public int Pieces;

    /// <summary>How many of them there are before the walk goes back to the first.</summary>
    public int PiecesLeft;

    private const int FloatsPerLine = 16;
    private readonly float* _rest;
    private long _linesLeft;

    /// <param name="block">What is packed next; it may be empty.</param>
    /// <param name="rest">What to prefetch, over and over, when the walk is done.</param>
    public PanelPrefetch(MatrixView block, float* rest)
    {
        MatrixView pieces = block.ColumnStride == 1 ? block : block.Transposed;
        Line = pieces.Start;
        Stride = pieces.RowStride;
        Pieces = PiecesLeft = (int)pieces.Rows;
        Back = FloatsPerLine - (Pieces * Stride);
        _rest = rest;
        _linesLeft = Pieces * Segments.Count(pieces.Columns, FloatsPerLine);
        Count(0);
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
