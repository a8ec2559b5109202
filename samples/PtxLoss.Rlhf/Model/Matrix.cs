using System.Numerics.Tensors;

namespace PtxLosses.Samples.Rlhf;

/// <summary>A view of floats as a matrix: <c>element(r, c)</c> is at <c>r · RowStride + c · ColumnStride</c>.</summary>
internal readonly struct Matrix
{
    public Matrix(int rows, int columns)
        : this(new float[rows * columns], rows, columns, columns, 1)
    {
    }

    public Matrix(Memory<float> data, int rows, int columns, int rowStride, int columnStride = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        int extent = rows == 0 || columns == 0 ? 0 : ((rows - 1) * rowStride) + ((columns - 1) * columnStride) + 1;

        // The matrix product reads by reference; this slice is what keeps it inside the buffer.
        Memory = data[..extent];
        (Rows, Columns, RowStride, ColumnStride) = (rows, columns, rowStride, columnStride);
    }

    public int Rows { get; }

    public int Columns { get; }

    public int RowStride { get; }

    public int ColumnStride { get; }

    public Memory<float> Memory { get; }

    public Span<float> Span => Memory.Span;

    public TensorSpan<float> Tensor => new(Memory.Span, [Rows, Columns], [RowStride, ColumnStride]);

    public Matrix Transposed => new(Memory, Columns, Rows, ColumnStride, RowStride);

    public Span<float> Row(int row) => Memory.Span.Slice(row * RowStride, Columns);

    public Matrix Slice(int firstRow, int rows) => Slice(firstRow, rows, 0, Columns);

    public Matrix Slice(int firstRow, int rows, int firstColumn, int columns) =>
        new(Memory[((firstRow * RowStride) + (firstColumn * ColumnStride))..], rows, columns, RowStride, ColumnStride);
}
