namespace PtxLosses.Gemm;

/// <summary>
/// A walk over the cache lines of a matrix that will be read next, one for each step of a tile, so that they are asked for while
/// something else is computed. The hardware does not do it: a block of a large matrix is many short pieces far from each other.
/// </summary>
internal unsafe struct PanelPrefetch
{
    /// <summary>The line to ask for.</summary>
    public float* Line;

    /// <summary>From there to the next piece.</summary>
    public long Stride;

    /// <summary>From behind the last piece to the first one's next line.</summary>
    public long Back;

    /// <summary>Pieces of contiguous memory.</summary>
    public int Pieces;

    /// <summary>How many of them come before the walk goes back.</summary>
    public int PiecesLeft;

    private const int FloatsPerLine = 16;
    private long _linesLeft;

    /// <param name="matrix">What will be read; it may be empty.</param>
    /// <param name="resting">An address to ask for when there is no more.</param>
    public PanelPrefetch(in MatrixView matrix, float* resting)
    {
        bool isByRows = matrix.ColumnStride == 1;
        long length = Math.Max(0, isByRows ? matrix.Columns : matrix.Rows);
        Pieces = PiecesLeft = (int)Math.Max(0, isByRows ? matrix.Rows : matrix.Columns);
        Line = matrix.Start;
        Stride = isByRows ? matrix.RowStride : matrix.ColumnStride;
        Back = FloatsPerLine - (Pieces * Stride);
        _linesLeft = Pieces * ((length + FloatsPerLine - 1) / FloatsPerLine);
        Count(0, resting);
    }

    public readonly bool IsDone => _linesLeft <= 0;

    /// <summary>
    /// Counts lines that were asked for; after the last, nothing but <paramref name="resting"/> is. Until the tile that asked for it
    /// ends, lines behind the last are asked for: there may be no memory, which does not matter to a prefetch.
    /// </summary>
    public void Count(int lines, float* resting)
    {
        _linesLeft -= lines;
        if (_linesLeft <= 0)
        {
            Line = resting;
            Stride = Back = 0;
            Pieces = PiecesLeft = int.MaxValue;
        }
    }
}
