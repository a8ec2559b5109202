namespace PtxLosses.Internals;

/// <summary>A matrix in memory, by rows, by columns or with gaps. Strides count elements.</summary>
internal readonly unsafe struct MatrixView(float* start, long rows, long columns, long rowStride, long columnStride = 1)
{
    public float* Start => start;

    public long Rows => rows;

    public long Columns => columns;

    public long RowStride => rowStride;

    public long ColumnStride => columnStride;

    public MatrixView Transposed => new(start, columns, rows, columnStride, rowStride);

    /// <summary>The part that starts at a row and a column and ends, at the latest, where the matrix does.</summary>
    public MatrixView Block(long row, long column, long rowCount, long columnCount)
        => new(
            start + (row * rowStride) + (column * columnStride),
            Math.Min(rowCount, rows - row),
            Math.Min(columnCount, columns - column),
            rowStride,
            columnStride);
}
