using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>
/// Copies a matrix into panels of neighbouring columns. A panel holds its part of one row after that of the last, with zeros where
/// the matrix has no more columns.
/// </summary>
/// <typeparam name="TVector">What is copied at a time where a row's columns are neighbours.</typeparam>
internal static unsafe class Packing<TVector>
    where TVector : struct, ISimdFloat<TVector>
{
    /// <summary>Panels that are filled side by side: each takes less of a row than memory is read by.</summary>
    private const int PanelsAtATime = 8;

    /// <summary>Rows of a panel that are filled together, where columns are turned.</summary>
    private const int RowsAtATime = 32;

    /// <param name="matrix">The matrix.</param>
    /// <param name="columnsPerPanel">How far on the next panel starts.</param>
    /// <param name="width">Columns that a panel holds, a multiple of 4 and of the register: no fewer than that.</param>
    /// <param name="panels">Where they go, one after the other.</param>
    public static void Pack(in MatrixView matrix, int columnsPerPanel, int width, float* panels)
    {
        int rows = (int)matrix.Rows;
        long whole = matrix.Columns < width ? 0 : ((matrix.Columns - width) / columnsPerPanel) + 1;
        if (matrix.ColumnStride == 1)
        {
            for (long panel = 0; panel < whole; panel += PanelsAtATime)
            {
                float* from = matrix.Start + (panel * columnsPerPanel);
                Copy(from, matrix.RowStride, rows, (int)Math.Min(PanelsAtATime, whole - panel), columnsPerPanel, width, panels + (panel * rows * width));
            }
        }
        else if (matrix.RowStride == 1)
        {
            for (long panel = 0; panel < whole; panel++)
            {
                float* from = matrix.Start + (panel * columnsPerPanel * matrix.ColumnStride);
                float* to = panels + (panel * rows * width);
                if (Avx.IsSupported && width % Vector256<float>.Count == 0)
                {
                    TransposeByEights(from, matrix.ColumnStride, rows, width, to);
                }
                else
                {
                    Transpose(from, matrix.ColumnStride, rows, width, to);
                }
            }
        }
        else
        {
            whole = 0;
        }

        for (long column = whole * columnsPerPanel; column < matrix.Columns; column += columnsPerPanel)
        {
            CopyRest(matrix.Block(0, column, rows, width), width, panels + (column / columnsPerPanel * rows * width));
        }
    }

    [MethodImpl(Jit.HotLoop)]
    private static void Copy(float* from, long stride, int rows, int count, int columnsPerPanel, int width, float* panels)
    {
        long panelLength = (long)rows * width;
        for (int row = 0; row < rows; row++)
        {
            float* source = from, destination = panels;
            for (int panel = 0; panel < count; panel++)
            {
                for (int i = 0; i < width; i += TVector.Count)
                {
                    TVector.Load(source + i).Store(destination + i);
                }

                source += columnsPerPanel;
                destination += panelLength;
            }

            from += stride;
            panels += width;
        }
    }

    /// <summary>
    /// One panel of a matrix whose columns are neighbours in memory: squares of 4 × 4 are turned in registers. It is filled piece by
    /// piece, each of which stays in the first-level cache until it is complete; what comes next is asked for meanwhile.
    /// </summary>
    [MethodImpl(Jit.HotLoop)]
    private static void Transpose(float* from, long stride, int rows, int width, float* panel)
    {
        for (int first = 0; first < rows; first += RowsAtATime)
        {
            int end = Math.Min(rows, first + RowsAtATime);
            for (int column = 0; column < width; column += 4)
            {
                float* source = from + (column * stride) + first, destination = panel + ((long)first * width) + column;
                int row = first;
                for (; row <= end - 4; row += 4)
                {
                    Vector128<float> a = Vector128.Load(source), b = Vector128.Load(source + stride);
                    Vector128<float> c = Vector128.Load(source + (2 * stride)), d = Vector128.Load(source + (3 * stride));
                    Vector128<double> ab = ZipLow(a, b).AsDouble(), cd = ZipLow(c, d).AsDouble();
                    ZipLow(ab, cd).AsSingle().Store(destination);
                    ZipHigh(ab, cd).AsSingle().Store(destination + width);
                    ab = ZipHigh(a, b).AsDouble();
                    cd = ZipHigh(c, d).AsDouble();
                    ZipLow(ab, cd).AsSingle().Store(destination + (2 * width));
                    ZipHigh(ab, cd).AsSingle().Store(destination + (3 * width));
                    source += 4;
                    destination += 4 * width;
                }

                for (; row < end; row++)
                {
                    for (int i = 0; i < 4; i++)
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
    /// The same, two squares at a time: a register holds a row of each, and its halves do not mix until they are stored side by side.
    /// </summary>
    [MethodImpl(Jit.HotLoop)]
    private static void TransposeByEights(float* from, long stride, int rows, int width, float* panel)
    {
        for (int first = 0; first < rows; first += RowsAtATime)
        {
            int end = Math.Min(rows, first + RowsAtATime);
            for (int column = 0; column < width; column += 8)
            {
                float* source = from + (column * stride) + first, other = source + (4 * stride), destination = panel + ((long)first * width) + column;
                int row = first;
                for (; row <= end - 4; row += 4)
                {
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
                    source += 4;
                    other += 4;
                    destination += 4 * width;
                }

                for (; row < end; row++)
                {
                    for (int i = 0; i < 8; i++)
                    {
                        destination[i] = source[i * stride];
                    }

                    source++;
                    destination += width;
                }
            }
        }
    }

    private static void CopyRest(MatrixView matrix, int width, float* panel)
    {
        for (long row = 0; row < matrix.Rows; row++)
        {
            for (int column = 0; column < width; column++)
            {
                panel[(row * width) + column] = column < matrix.Columns
                    ? matrix.Start[(row * matrix.RowStride) + (column * matrix.ColumnStride)]
                    : 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> left, Vector128<float> right)
        => Sse.IsSupported ? Sse.UnpackLow(left, right)
            : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(left, right)
            : Vector128.Create(left[0], right[0], left[1], right[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> left, Vector128<float> right)
        => Sse.IsSupported ? Sse.UnpackHigh(left, right)
            : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(left, right)
            : Vector128.Create(left[2], right[2], left[3], right[3]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> ZipLow(Vector128<double> left, Vector128<double> right)
        => Sse2.IsSupported ? Sse2.UnpackLow(left, right)
            : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(left, right)
            : Vector128.Create(left[0], right[0]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> ZipHigh(Vector128<double> left, Vector128<double> right)
        => Sse2.IsSupported ? Sse2.UnpackHigh(left, right)
            : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(left, right)
            : Vector128.Create(left[1], right[1]);
}
