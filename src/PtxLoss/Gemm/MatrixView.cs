using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>A matrix in memory, by rows, by columns or with gaps. Strides count elements.</summary>
internal readonly unsafe struct MatrixView<TElement>(
    TElement* start, long rows, long columns, long rowStride, long columnStride = 1)
    where TElement : unmanaged
{
    public TElement* Start => start;

    public long Rows => rows;

    public long Columns => columns;

    public long RowStride => rowStride;

    public long ColumnStride => columnStride;

    public bool IsEmpty => rows == 0 || columns == 0;

    /// <summary>From the first element to the last, with what is between them, for a matrix whose rows are contiguous.</summary>
    public MemoryRange Memory => MemoryRange.Of(start, IsEmpty ? 0 : ((rows - 1) * rowStride) + columns);

    /// <summary>
    /// Whether a byte may be one of the other's too: not if the memory is disjoint, nor if rows as far apart lie side by side, as
    /// the halves of wider rows do. For matrices whose rows are contiguous, of elements of any two sizes.
    /// </summary>
    public bool Overlaps<TOther>(in MatrixView<TOther> other)
        where TOther : unmanaged
    {
        if (!Memory.Overlaps(other.Memory))
        {
            return false;
        }

        long stride = rowStride * sizeof(TElement);
        if (stride <= 0 || stride != other.RowStride * sizeof(TOther))
        {
            return true;
        }

        long offset = ((((nint)other.Start - (nint)start) % stride) + stride) % stride;
        return offset < columns * sizeof(TElement) || offset + (other.Columns * sizeof(TOther)) > stride;
    }

    public MatrixView<TElement> Transposed => new(start, columns, rows, columnStride, rowStride);

    /// <summary>The part that starts at a row and a column, as far as the matrix goes: it may be empty.</summary>
    public MatrixView<TElement> Block(long row, long column, long rowCount, long columnCount)
        => new(
            start + (row * rowStride) + (column * columnStride),
            Math.Max(0, Math.Min(rowCount, rows - row)),
            Math.Max(0, Math.Min(columnCount, columns - column)),
            rowStride,
            columnStride);

    /// <summary>A row, for a matrix whose rows are contiguous.</summary>
    public Span<TElement> Row(long row) => new(start + (row * rowStride), (int)columns);

    /// <summary>Makes all rows 0, for a matrix whose rows are contiguous.</summary>
    public void Clear()
    {
        for (long row = 0; row < rows; row++)
        {
            Row(row).Clear();
        }
    }
}
