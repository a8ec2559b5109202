using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>
/// Copies a matrix into panels of neighbouring columns. A panel holds its part of one row after that of the last, as the
/// micro-kernel reads it, and zeros where the matrix has no more columns. A is packed as its transpose: its panels are of rows.
/// Panels are of floats: elements of 16 bits are widened on the way.
/// </summary>
/// <typeparam name="TVector">What is copied at a time if rows are contiguous.</typeparam>
internal static unsafe class Packing<TVector>
    where TVector : struct, ISimdFloat<TVector>
{
    /// <summary>
    /// Panels that are filled side by side where rows are contiguous: the part of a row that one panel takes is too short to be
    /// read alone.
    /// </summary>
    private const int PanelsAtATime = 8;

    /// <summary>
    /// Rows that are transposed at a time. Their part of a panel stays in the first-level cache until it is complete.
    /// </summary>
    private const int RowsAtATime = 32;

    /// <summary>Columns that are transposed at a time.</summary>
    private const int ColumnsAtATime = 8;

    /// <param name="matrix">The matrix.</param>
    /// <param name="step">From the first column of a panel to that of the next.</param>
    /// <param name="width">
    /// Columns that a panel holds: at least <paramref name="step"/>, at least 8, and whole vectors. The micro-kernel ignores
    /// those beyond the step.
    /// </param>
    /// <param name="panels">Where the panels go, one after the other.</param>
    public static void Pack<TElement>(in MatrixView<TElement> matrix, int step, int width, float* panels)
        where TElement : unmanaged
    {
        long rows = matrix.Rows, panelLength = rows * width;
        long whole = matrix.Columns < width ? 0 : ((matrix.Columns - width) / step) + 1;
        if (matrix.ColumnStride == 1)
        {
            for (long panel = 0; panel < whole; panel += PanelsAtATime)
            {
                MatrixView<TElement> columns = matrix.Block(0, panel * step, rows, ((PanelsAtATime - 1) * step) + width);
                Copy(in columns, step, width, panels + (panel * panelLength));
            }
        }
        else if (matrix.RowStride == 1)
        {
            for (long panel = 0; panel < whole; panel++)
            {
                Transpose(matrix.Block(0, panel * step, rows, width), panels + (panel * panelLength));
            }
        }
        else
        {
            whole = 0;
        }

        for (long panel = whole; panel * step < matrix.Columns; panel++)
        {
            CopyElements(matrix.Block(0, panel * step, rows, width), width, panels + (panel * panelLength));
        }
    }

    /// <summary>As many whole panels as there are, from rows that are contiguous.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static void Copy<TElement>(in MatrixView<TElement> matrix, int step, int width, float* panels)
        where TElement : unmanaged
    {
        TElement* row = matrix.Start;
        long stride = matrix.RowStride, rows = matrix.Rows, last = matrix.Columns - width;
        for (long panelLength = rows * width; rows > 0; rows--)
        {
            float* panel = panels;
            for (long column = 0; column <= last; column += step)
            {
                for (int i = 0; i < width; i += TVector.Count)
                {
                    ElementConvert.Load<TVector, TElement>(row + column + i).Store(panel + i);
                }

                panel += panelLength;
            }

            row += stride;
            panels += width;
        }
    }

    /// <summary>One whole panel, from columns that are contiguous.</summary>
    [MethodImpl(Jit.HotLoop)]
    private static void Transpose<TElement>(in MatrixView<TElement> matrix, float* panel)
        where TElement : unmanaged
    {
        float* widened = stackalloc float[typeof(TElement) == typeof(float) ? 0 : ColumnsAtATime * RowsAtATime];
        int rows = (int)matrix.Rows, width = (int)matrix.Columns;
        for (int first = 0; first < rows; first += RowsAtATime)
        {
            int end = Math.Min(rows, first + RowsAtATime);
            for (int next = 0; next < width; next += ColumnsAtATime)
            {
                int column = Math.Min(next, width - ColumnsAtATime); // of 12 columns, 4 are transposed twice
                TElement* elements = matrix.Start + (column * matrix.ColumnStride) + first;
                float* source = (float*)elements, destination = panel + ((long)first * width) + column;
                long stride = matrix.ColumnStride;
                if (typeof(TElement) != typeof(float))
                {
                    Widen(elements, stride, end - first, widened);
                    source = widened;
                    stride = RowsAtATime;
                }

                int row = first;
                for (; (Avx.IsSupported || AdvSimd.Arm64.IsSupported) && row <= end - 4; row += 4)
                {
                    TransposeFourRows(source, stride, destination, width);
                    source += 4;
                    destination += 4 * width;
                }

                for (; row < end; row++)
                {
                    for (int i = 0; i < ColumnsAtATime; i++)
                    {
                        destination[i] = source[i * stride];
                    }

                    source++;
                    destination += width;
                }
            }
        }
    }

    /// <summary>
    /// As many columns and rows, at most, as are transposed at a time. They stay columns: the transpose of floats takes it from
    /// there, in the first-level cache.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen<TElement>(TElement* column, long stride, int rows, float* widened)
        where TElement : unmanaged
    {
        for (int i = 0; i < ColumnsAtATime; i++)
        {
            int row = 0;
            for (; row <= rows - TVector.Count; row += TVector.Count)
            {
                ElementConvert.Load<TVector, TElement>(column + row).Store(widened + row);
            }

            for (; row < rows; row++)
            {
                widened[row] = (float)ElementConvert.ToDouble(column[row]);
            }

            column += stride;
            widened += RowsAtATime;
        }
    }

    /// <summary>Two squares of 4 × 4, side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeFourRows(float* source, long stride, float* destination, int width)
    {
        if (Avx.IsSupported)
        {
            // The instructions do not mix the halves of a register, so that each of them may hold another square.
            float* other = source + (4 * stride);
            Vector256<float> a = Vector256.Create(Vector128.Load(source), Vector128.Load(other));
            Vector256<float> b = Vector256.Create(Vector128.Load(source + stride), Vector128.Load(other + stride));
            Vector256<float> c = Vector256.Create(Vector128.Load(source + (2 * stride)), Vector128.Load(other + (2 * stride)));
            Vector256<float> d = Vector256.Create(Vector128.Load(source + (3 * stride)), Vector128.Load(other + (3 * stride)));
            Vector256<double> ab = Avx.UnpackLow(a, b).AsDouble(), cd = Avx.UnpackLow(c, d).AsDouble();
            Avx.UnpackLow(ab, cd).AsSingle().Store(destination);
            Avx.UnpackHigh(ab, cd).AsSingle().Store(destination + width);
            ab = Avx.UnpackHigh(a, b).AsDouble();
            cd = Avx.UnpackHigh(c, d).AsDouble();
            Avx.UnpackLow(ab, cd).AsSingle().Store(destination + (2 * width));
            Avx.UnpackHigh(ab, cd).AsSingle().Store(destination + (3 * width));
        }
        else
        {
            TransposeSquare(source, stride, destination, width);
            TransposeSquare(source + (4 * stride), stride, destination + 4, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeSquare(float* source, long stride, float* destination, int width)
    {
        Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + stride);
        Vector128<float> c = Vector128.Load(source + (2 * stride)), d = Vector128.Load(source + (3 * stride));
        Vector128<double> ab = AdvSimd.Arm64.ZipLow(a, b).AsDouble(), cd = AdvSimd.Arm64.ZipLow(c, d).AsDouble();
        AdvSimd.Arm64.ZipLow(ab, cd).AsSingle().Store(destination);
        AdvSimd.Arm64.ZipHigh(ab, cd).AsSingle().Store(destination + width);
        ab = AdvSimd.Arm64.ZipHigh(a, b).AsDouble();
        cd = AdvSimd.Arm64.ZipHigh(c, d).AsDouble();
        AdvSimd.Arm64.ZipLow(ab, cd).AsSingle().Store(destination + (2 * width));
        AdvSimd.Arm64.ZipHigh(ab, cd).AsSingle().Store(destination + (3 * width));
    }

    /// <summary>One panel, which need not be whole, from a matrix with any strides.</summary>
    private static void CopyElements<TElement>(in MatrixView<TElement> matrix, int width, float* panel)
        where TElement : unmanaged
    {
        for (long row = 0; row < matrix.Rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                panel[(row * width) + column] = column < matrix.Columns
                    ? (float)ElementConvert.ToDouble(matrix.Start[(row * matrix.RowStride) + (column * matrix.ColumnStride)])
                    : 0;
            }
        }
    }
}
