using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>A packed panel of A and one of B. Others may follow each of them.</summary>
internal unsafe struct PackedPanels(float* a, float* b, int kc)
{
    public float* A = a, B = b;

    /// <summary>The steps of k.</summary>
    public readonly int KC => kc;
}

/// <summary>The micro-kernel: an MR × NR tile of C, in registers, from a panel of A and one of B.</summary>
internal static unsafe class MicroKernel<TVector>
    where TVector : struct, ISimdFloat<TVector>
{
    /// <summary>If C has no more rows left than these, a tile of 12 is not computed in full.</summary>
    private const int FewRows = 6;

    /// <summary>A row of a tile takes two registers: 12 rows fit into 32 registers, 6 into 16.</summary>
    public static int MR => HasManyRegisters ? 2 * FewRows : FewRows;

    public static int NR => 2 * TVector.Count;

    /// <summary>MR, rounded up to fours and at least 8, as packing needs it.</summary>
    public static int PackMR => HasManyRegisters ? 12 : 8;

    private static bool HasManyRegisters => typeof(TVector) == typeof(SimdFloat512) || AdvSimd.IsSupported;

    /// <summary>The rows that a tile is computed with if so many are left in C.</summary>
    public static int WholeRows(long rows) => rows > FewRows ? MR : FewRows;

    /// <summary>C = A·B or C += A·B.</summary>
    /// <param name="panels">A panel of A, of PackMR floats for each step of k, and one of B, of NR floats.</param>
    /// <param name="c">A tile of C, of <see cref="WholeRows"/> rows and NR columns.</param>
    /// <param name="adds">Whether to add to C.</param>
    /// <param name="next">What to prefetch, one line for each step of k.</param>
    public static void Multiply(in PackedPanels panels, in MatrixView<float> c, bool adds, ref PanelPrefetch next)
    {
        if (c.Rows > FewRows)
        {
            Multiply<On>(in panels, in c, adds, ref next);
        }
        else
        {
            Multiply<Off>(in panels, in c, adds, ref next);
        }

        next.Count(panels.KC);
    }

    /// <typeparam name="TTall">Whether there are more than <see cref="FewRows"/> rows.</typeparam>
    [MethodImpl(Jit.HotLoop)]
    [SuppressMessage("Design", "MA0051", Justification = "One loop, whose registers must all be in sight of the compiler.")]
    private static void Multiply<TTall>(in PackedPanels panels, in MatrixView<float> tile, bool adds, ref PanelPrefetch next)
        where TTall : struct, IFlag
    {
        float* a = panels.A, b = panels.B, c = tile.Start;
        long stride = tile.RowStride;
        PrefetchTile(c, stride, typeof(TTall) == typeof(On) ? 2 * FewRows : FewRows);
        TVector zero = TVector.Create(0);
        TVector left0 = zero, right0 = zero, left1 = zero, right1 = zero, left2 = zero, right2 = zero;
        TVector left3 = zero, right3 = zero, left4 = zero, right4 = zero, left5 = zero, right5 = zero;
        TVector left6 = zero, right6 = zero, left7 = zero, right7 = zero, left8 = zero, right8 = zero;
        TVector left9 = zero, right9 = zero, left10 = zero, right10 = zero, left11 = zero, right11 = zero;
        byte* line = next.Line;
        long toNextPiece = next.Stride;
        int pieces = next.PiecesLeft;
        for (int kc = panels.KC; kc > 0; kc--)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(line);
                line += toNextPiece;
                if (--pieces == 0)
                {
                    line += next.Back;
                    pieces = next.Pieces;
                }
            }

            TVector left = TVector.Load(b), right = TVector.Load(b + TVector.Count);
            AddRow(a[0], left, right, ref left0, ref right0);
            AddRow(a[1], left, right, ref left1, ref right1);
            AddRow(a[2], left, right, ref left2, ref right2);
            AddRow(a[3], left, right, ref left3, ref right3);
            AddRow(a[4], left, right, ref left4, ref right4);
            AddRow(a[5], left, right, ref left5, ref right5);
            if (typeof(TTall) == typeof(On))
            {
                AddRow(a[6], left, right, ref left6, ref right6);
                AddRow(a[7], left, right, ref left7, ref right7);
                AddRow(a[8], left, right, ref left8, ref right8);
                AddRow(a[9], left, right, ref left9, ref right9);
                AddRow(a[10], left, right, ref left10, ref right10);
                AddRow(a[11], left, right, ref left11, ref right11);
            }

            a += PackMR;
            b += NR;
        }

        next.Line = line;
        next.PiecesLeft = pieces;
        Write(left0, right0, c, adds);
        Write(left1, right1, c + stride, adds);
        Write(left2, right2, c + (2 * stride), adds);
        Write(left3, right3, c + (3 * stride), adds);
        Write(left4, right4, c + (4 * stride), adds);
        Write(left5, right5, c + (5 * stride), adds);
        if (typeof(TTall) == typeof(On))
        {
            Write(left6, right6, c + (6 * stride), adds);
            Write(left7, right7, c + (7 * stride), adds);
            Write(left8, right8, c + (8 * stride), adds);
            Write(left9, right9, c + (9 * stride), adds);
            Write(left10, right10, c + (10 * stride), adds);
            Write(left11, right11, c + (11 * stride), adds);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow(float a, TVector left, TVector right, ref TVector leftSum, ref TVector rightSum)
    {
        TVector row = TVector.Create(a);
        leftSum = TVector.MultiplyAdd(row, left, leftSum);
        rightSum = TVector.MultiplyAdd(row, right, rightSum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(TVector left, TVector right, float* c, bool adds)
    {
        if (adds)
        {
            left += TVector.Load(c);
            right += TVector.Load(c + TVector.Count);
        }

        left.Store(c);
        right.Store(c + TVector.Count);
    }

    /// <summary>Fetches C while the loop runs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchTile(float* c, long stride, int rows)
    {
        if (Sse.IsSupported)
        {
            for (int row = 0; row < rows; row++)
            {
                Sse.Prefetch0(c);
                Sse.Prefetch0(c + NR - 1);
                c += stride;
            }
        }
    }
}
