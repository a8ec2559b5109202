using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// C = A·B (or C += A·B) for any strides, so that a transposed operand is a view and forward and backward share one kernel.
/// Every element of C is summed by one thread in the order of k: the result does not depend on the number of threads.
/// </summary>
internal static class Sgemm
{
    private const int TileRows = 6;

    // A block of B (256 × 64 floats, 64 KB) stays in the second-level cache while the rows of A stream past it.
    private const int BlockRows = 192;
    private const int BlockColumns = 64;
    private const int BlockDepth = 256;

    // Below this many multiply-adds a parallel loop costs more than it saves.
    private const long WorthThreads = 1 << 18;

    // Two vectors wide: 12 accumulators, 2 vectors of B and 1 broadcast fit the 16 registers of AVX2.
    private static int TileColumns => 2 * Vector<float>.Count;

    public static void Multiply(Matrix a, Matrix b, Matrix c, bool accumulate = false)
    {
        int rowBlocks = (c.Rows + BlockRows - 1) / BlockRows;
        int columnBlocks = (c.Columns + BlockColumns - 1) / BlockColumns;
        int blocks = rowBlocks * columnBlocks;
        if (blocks == 1 || (long)c.Rows * c.Columns * a.Columns < WorthThreads)
        {
            MultiplyOnThisThread(a, b, c, accumulate);
            return;
        }

        Parallel.For(0, blocks, block => MultiplyBlock(
            a, b, c, block / columnBlocks * BlockRows, block % columnBlocks * BlockColumns, accumulate));
    }

    /// <summary>For callers that are parallel themselves.</summary>
    public static void MultiplyOnThisThread(Matrix a, Matrix b, Matrix c, bool accumulate = false)
    {
        for (int row = 0; row < c.Rows; row += BlockRows)
        {
            for (int column = 0; column < c.Columns; column += BlockColumns)
            {
                MultiplyBlock(a, b, c, row, column, accumulate);
            }
        }
    }

    private static void MultiplyBlock(Matrix a, Matrix b, Matrix c, int firstRow, int firstColumn, bool accumulate)
    {
        int rows = Math.Min(BlockRows, c.Rows - firstRow);
        int columns = Math.Min(BlockColumns, c.Columns - firstColumn);
        int panels = (columns + TileColumns - 1) / TileColumns;
        int depthLimit = Math.Min(BlockDepth, a.Columns);
        float[] packedB = ArrayPool<float>.Shared.Rent(panels * TileColumns * depthLimit);
        float[] packedA = ArrayPool<float>.Shared.Rent(rows * depthLimit);

        for (int k = 0; k < a.Columns; k += BlockDepth)
        {
            int depth = Math.Min(BlockDepth, a.Columns - k);
            PackB(b.Slice(k, depth, firstColumn, columns), packedB);
            Matrix blockA = a.Slice(firstRow, rows, k, depth);
            if (blockA.ColumnStride != 1)
            {
                blockA = PackColumns(blockA, packedA);
            }

            MultiplyTiles(blockA, packedB, c.Slice(firstRow, rows, firstColumn, columns), accumulate || k > 0);
        }

        ArrayPool<float>.Shared.Return(packedA);
        ArrayPool<float>.Shared.Return(packedB);
    }

    /// <summary>Panels of <see cref="TileColumns"/> columns, each contiguous in k; the last one is padded with zeros.</summary>
    private static void PackB(Matrix b, Span<float> packed)
    {
        int width = TileColumns;
        ReadOnlySpan<float> source = b.Span;
        for (int first = 0; first < b.Columns; first += width)
        {
            int columns = Math.Min(width, b.Columns - first);
            Span<float> panel = packed.Slice(first * b.Rows, width * b.Rows);
            if (columns < width)
            {
                panel.Clear();
            }

            if (b.ColumnStride == 1)
            {
                for (int k = 0; k < b.Rows; k++)
                {
                    source.Slice((k * b.RowStride) + first, columns).CopyTo(panel[(k * width)..]);
                }

                continue;
            }

            for (int column = 0; column < columns; column++)
            {
                int from = (first + column) * b.ColumnStride;
                for (int k = 0; k < b.Rows; k++)
                {
                    panel[(k * width) + column] = source[from + (k * b.RowStride)];
                }
            }
        }
    }

    /// <summary>A transposed A would be read one cache line per element; its columns are contiguous, so copy those.</summary>
    private static Matrix PackColumns(Matrix a, float[] packed)
    {
        Matrix columns = a.Transposed;
        for (int k = 0; k < columns.Rows; k++)
        {
            columns.Row(k).CopyTo(packed.AsSpan(k * columns.Columns));
        }

        return new Matrix(packed, columns.Rows, columns.Columns, columns.Columns).Transposed;
    }

    private static void MultiplyTiles(Matrix a, ReadOnlySpan<float> packedB, Matrix c, bool accumulate)
    {
        int width = TileColumns;
        Span<float> edge = stackalloc float[TileRows * width];
        ref float destination = ref MemoryMarshal.GetReference(c.Span);
        for (int column = 0; column < c.Columns; column += width)
        {
            ReadOnlySpan<float> panel = packedB.Slice(column * a.Columns, width * a.Columns);
            int columns = Math.Min(width, c.Columns - column);
            for (int row = 0; row < c.Rows; row += TileRows)
            {
                int rows = Math.Min(TileRows, c.Rows - row);
                if (rows == TileRows && columns == width)
                {
                    ref float corner = ref Unsafe.Add(ref destination, (row * c.RowStride) + column);
                    MultiplyTile(a, row, panel, ref corner, c.RowStride, accumulate);
                    continue;
                }

                MultiplyTile(a, row, panel, ref MemoryMarshal.GetReference(edge), width, accumulate: false);
                for (int r = 0; r < rows; r++)
                {
                    Span<float> into = c.Row(row + r).Slice(column, columns);
                    for (int i = 0; i < columns; i++)
                    {
                        into[i] = (accumulate ? into[i] : 0) + edge[(r * width) + i];
                    }
                }
            }
        }
    }

    /// <summary>A tile at the lower edge reads the last row again instead of the rows that are not there.</summary>
    private static void MultiplyTile(Matrix a, int row, ReadOnlySpan<float> panel, ref float c, int stride, bool accumulate)
    {
        int last = a.Rows - 1;
        ref float a0 = ref MemoryMarshal.GetReference(a.Span);
        ref float a1 = ref Unsafe.Add(ref a0, Math.Min(row + 1, last) * a.RowStride);
        ref float a2 = ref Unsafe.Add(ref a0, Math.Min(row + 2, last) * a.RowStride);
        ref float a3 = ref Unsafe.Add(ref a0, Math.Min(row + 3, last) * a.RowStride);
        ref float a4 = ref Unsafe.Add(ref a0, Math.Min(row + 4, last) * a.RowStride);
        ref float a5 = ref Unsafe.Add(ref a0, Math.Min(row + 5, last) * a.RowStride);
        a0 = ref Unsafe.Add(ref a0, row * a.RowStride);

        ref float b = ref MemoryMarshal.GetReference(panel);
        Vector<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        nint offset = 0;
        for (int k = 0; k < a.Columns; k++, offset += a.ColumnStride)
        {
            Vector<float> b0 = Vector.LoadUnsafe(ref b);
            Vector<float> b1 = Vector.LoadUnsafe(ref b, (nuint)Vector<float>.Count);
            b = ref Unsafe.Add(ref b, 2 * Vector<float>.Count);

            var x = new Vector<float>(Unsafe.Add(ref a0, offset));
            c00 = Vector.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector.FusedMultiplyAdd(x, b1, c01);
            x = new Vector<float>(Unsafe.Add(ref a1, offset));
            c10 = Vector.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector.FusedMultiplyAdd(x, b1, c11);
            x = new Vector<float>(Unsafe.Add(ref a2, offset));
            c20 = Vector.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector.FusedMultiplyAdd(x, b1, c21);
            x = new Vector<float>(Unsafe.Add(ref a3, offset));
            c30 = Vector.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector.FusedMultiplyAdd(x, b1, c31);
            x = new Vector<float>(Unsafe.Add(ref a4, offset));
            c40 = Vector.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector.FusedMultiplyAdd(x, b1, c41);
            x = new Vector<float>(Unsafe.Add(ref a5, offset));
            c50 = Vector.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector.FusedMultiplyAdd(x, b1, c51);
        }

        Store(c00, c01, ref c, accumulate);
        Store(c10, c11, ref Unsafe.Add(ref c, stride), accumulate);
        Store(c20, c21, ref Unsafe.Add(ref c, 2 * stride), accumulate);
        Store(c30, c31, ref Unsafe.Add(ref c, 3 * stride), accumulate);
        Store(c40, c41, ref Unsafe.Add(ref c, 4 * stride), accumulate);
        Store(c50, c51, ref Unsafe.Add(ref c, 5 * stride), accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector<float> left, Vector<float> right, ref float c, bool accumulate)
    {
        if (accumulate)
        {
            left += Vector.LoadUnsafe(ref c);
            right += Vector.LoadUnsafe(ref c, (nuint)Vector<float>.Count);
        }

        left.StoreUnsafe(ref c);
        right.StoreUnsafe(ref c, (nuint)Vector<float>.Count);
    }
}
