using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>A matrix in memory, by rows, by columns or with gaps. Strides count elements.</summary>
internal readonly unsafe struct MatrixView(float* start, long rows, long columns, long rowStride, long columnStride = 1)
{
    public float* Start => start;

    public long Rows => rows;

    public long Columns => columns;

    public long RowStride => rowStride;

    public long ColumnStride => columnStride;

    public bool IsEmpty => rows == 0 || columns == 0;

    /// <summary>From the first element to the last, with what is between them, for a matrix whose rows are contiguous.</summary>
    public MemoryRange Memory => MemoryRange.Of(start, IsEmpty ? 0 : ((rows - 1) * rowStride) + columns);

    /// <summary>
    /// Whether an element may be one of the other's too: not if the memory is disjoint, nor if rows as far apart lie side by
    /// side, as the halves of wider rows do. For matrices whose rows are contiguous.
    /// </summary>
    public bool Overlaps(in MatrixView other)
    {
        if (!Memory.Overlaps(other.Memory))
        {
            return false;
        }

        (long distance, long rest) = Math.DivRem((nint)other.Start - (nint)start, sizeof(float));
        if (rest != 0 || rowStride != other.RowStride || rowStride <= 0)
        {
            return true;
        }

        long offset = ((distance % rowStride) + rowStride) % rowStride;
        return offset < columns || offset + other.Columns > rowStride;
    }

    public MatrixView Transposed => new(start, columns, rows, columnStride, rowStride);

    /// <summary>The part that starts at a row and a column, as far as the matrix goes: it may be empty.</summary>
    public MatrixView Block(long row, long column, long rowCount, long columnCount)
        => new(
            start + (row * rowStride) + (column * columnStride),
            Math.Max(0, Math.Min(rowCount, rows - row)),
            Math.Max(0, Math.Min(columnCount, columns - column)),
            rowStride,
            columnStride);

    /// <summary>A row, for a matrix whose rows are contiguous.</summary>
    public Span<float> Row(long row) => new(start + (row * rowStride), (int)columns);

    /// <summary>Makes all rows 0, for a matrix whose rows are contiguous.</summary>
    public void Clear()
    {
        for (long row = 0; row < rows; row++)
        {
            Row(row).Clear();
        }
    }
}
