using System.Numerics.Tensors;

namespace PtxLosses.Gemm;

/// <summary>The product where there are no vectors: a row of B, times a number, is added to a row of C.</summary>
internal sealed unsafe class PlainProduct : SgemmKernel
{
    /// <summary>Columns at a time: a row of C and one of B stay in the first-level cache.</summary>
    private const int MaxColumns = 1024;

    public override string Name => nameof(PlainProduct);

    public override int ScratchLength => MaxColumns;

    public override int TileRows => 1;

    public override int TileColumns => MaxColumns;

    public override long MaxRows(long inner) => 64;

    public override void Multiply(in MatrixView a, in MatrixView b, in MatrixView c, bool adds, float* scratch)
    {
        for (long column = 0; column < c.Columns; column += MaxColumns)
        {
            MatrixView part = c.Block(0, column, c.Rows, MaxColumns);
            int count = (int)part.Columns;
            for (long row = 0; row < c.Rows && !adds; row++)
            {
                new Span<float>(part.Start + (row * part.RowStride), count).Clear();
            }

            for (long step = 0; step < a.Columns; step++)
            {
                ReadOnlySpan<float> rowOfB = Row(b.Block(step, column, 1, MaxColumns), scratch);
                for (long row = 0; row < c.Rows; row++)
                {
                    var rowOfC = new Span<float>(part.Start + (row * part.RowStride), count);
                    float factor = a.Start[(row * a.RowStride) + (step * a.ColumnStride)];
                    TensorPrimitives.MultiplyAdd(rowOfB, factor, rowOfC, rowOfC);
                }
            }
        }
    }

    private static ReadOnlySpan<float> Row(MatrixView row, float* scratch)
    {
        int count = (int)row.Columns;
        if (row.ColumnStride == 1)
        {
            return new(row.Start, count);
        }

        for (int i = 0; i < count; i++)
        {
            scratch[i] = row.Start[i * row.ColumnStride];
        }

        return new(scratch, count);
    }
}
