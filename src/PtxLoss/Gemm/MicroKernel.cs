using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>The innermost loop of a matrix product: a tile of C that stays in registers, from a panel of A and one of B.</summary>
internal static unsafe class MicroKernel<TVector>
    where TVector : struct, ISimdFloat<TVector>
{
    /// <summary>12 rows of two registers each where there are 32 of them, 6 where there are 16.</summary>
    public static int Rows => HasManyRegisters ? 12 : 6;

    /// <summary>Floats of a panel of A for each step: the rows, rounded up to fours.</summary>
    public static int PanelRows => HasManyRegisters ? 12 : 8;

    public static int Columns => 2 * TVector.Count;

    private static bool HasManyRegisters => typeof(TVector) == typeof(SimdFloat512) || AdvSimd.IsSupported;

    /// <summary>C = A·B or C += A·B for one tile.</summary>
    /// <typeparam name="TTall">Whether there are more than 6 rows.</typeparam>
    /// <typeparam name="TAdds">Whether C is added to.</typeparam>
    /// <param name="a">A panel of <see cref="PanelRows"/> floats for each step.</param>
    /// <param name="b">A panel of <see cref="Columns"/> floats for each step.</param>
    /// <param name="steps">The inner dimension.</param>
    /// <param name="c">The tile's first element.</param>
    /// <param name="rowStride">From a row of C to the next.</param>
    /// <param name="next">What will be read later, of which a line is asked for at each step.</param>
    [MethodImpl(Jit.HotLoop)]
    [SuppressMessage("Design", "MA0051", Justification = "One loop, whose registers must all be in sight of the compiler.")]
    public static void Multiply<TTall, TAdds>(float* a, float* b, int steps, float* c, long rowStride, ref PanelPrefetch next)
        where TTall : struct, IFlag
        where TAdds : struct, IFlag
    {
        Prefetch(c, rowStride, typeof(TTall) == typeof(On) ? 12 : 6);
        TVector zero = TVector.Create(0);
        TVector left0 = zero, right0 = zero, left1 = zero, right1 = zero, left2 = zero, right2 = zero;
        TVector left3 = zero, right3 = zero, left4 = zero, right4 = zero, left5 = zero, right5 = zero;
        TVector left6 = zero, right6 = zero, left7 = zero, right7 = zero, left8 = zero, right8 = zero;
        TVector left9 = zero, right9 = zero, left10 = zero, right10 = zero, left11 = zero, right11 = zero;
        float* line = next.Line;
        long stride = next.Stride;
        int pieces = next.PiecesLeft;
        for (; steps > 0; steps--)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch1(line);
                line += stride;
                if (--pieces == 0)
                {
                    line += next.Back;
                    pieces = next.Pieces;
                }
            }

            TVector left = TVector.Load(b), right = TVector.Load(b + TVector.Count), row;
            row = TVector.Create(a[0]);
            left0 = TVector.MultiplyAdd(row, left, left0);
            right0 = TVector.MultiplyAdd(row, right, right0);
            row = TVector.Create(a[1]);
            left1 = TVector.MultiplyAdd(row, left, left1);
            right1 = TVector.MultiplyAdd(row, right, right1);
            row = TVector.Create(a[2]);
            left2 = TVector.MultiplyAdd(row, left, left2);
            right2 = TVector.MultiplyAdd(row, right, right2);
            row = TVector.Create(a[3]);
            left3 = TVector.MultiplyAdd(row, left, left3);
            right3 = TVector.MultiplyAdd(row, right, right3);
            row = TVector.Create(a[4]);
            left4 = TVector.MultiplyAdd(row, left, left4);
            right4 = TVector.MultiplyAdd(row, right, right4);
            row = TVector.Create(a[5]);
            left5 = TVector.MultiplyAdd(row, left, left5);
            right5 = TVector.MultiplyAdd(row, right, right5);
            if (typeof(TTall) == typeof(On))
            {
                row = TVector.Create(a[6]);
                left6 = TVector.MultiplyAdd(row, left, left6);
                right6 = TVector.MultiplyAdd(row, right, right6);
                row = TVector.Create(a[7]);
                left7 = TVector.MultiplyAdd(row, left, left7);
                right7 = TVector.MultiplyAdd(row, right, right7);
                row = TVector.Create(a[8]);
                left8 = TVector.MultiplyAdd(row, left, left8);
                right8 = TVector.MultiplyAdd(row, right, right8);
                row = TVector.Create(a[9]);
                left9 = TVector.MultiplyAdd(row, left, left9);
                right9 = TVector.MultiplyAdd(row, right, right9);
                row = TVector.Create(a[10]);
                left10 = TVector.MultiplyAdd(row, left, left10);
                right10 = TVector.MultiplyAdd(row, right, right10);
                row = TVector.Create(a[11]);
                left11 = TVector.MultiplyAdd(row, left, left11);
                right11 = TVector.MultiplyAdd(row, right, right11);
            }

            a += PanelRows;
            b += Columns;
        }

        next.Line = line;
        next.PiecesLeft = pieces;
        Write<TAdds>(left0, right0, c);
        Write<TAdds>(left1, right1, c + rowStride);
        Write<TAdds>(left2, right2, c + (2 * rowStride));
        Write<TAdds>(left3, right3, c + (3 * rowStride));
        Write<TAdds>(left4, right4, c + (4 * rowStride));
        Write<TAdds>(left5, right5, c + (5 * rowStride));
        if (typeof(TTall) == typeof(On))
        {
            Write<TAdds>(left6, right6, c + (6 * rowStride));
            Write<TAdds>(left7, right7, c + (7 * rowStride));
            Write<TAdds>(left8, right8, c + (8 * rowStride));
            Write<TAdds>(left9, right9, c + (9 * rowStride));
            Write<TAdds>(left10, right10, c + (10 * rowStride));
            Write<TAdds>(left11, right11, c + (11 * rowStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TAdds>(TVector left, TVector right, float* c)
        where TAdds : struct, IFlag
    {
        if (typeof(TAdds) == typeof(On))
        {
            left += TVector.Load(c);
            right += TVector.Load(c + TVector.Count);
        }

        left.Store(c);
        right.Store(c + TVector.Count);
    }

    /// <summary>C is asked for while the loop runs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* c, long rowStride, int rows)
    {
        if (Sse.IsSupported)
        {
            for (int row = 0; row < rows; row++)
            {
                Sse.Prefetch0(c);
                Sse.Prefetch0(c + Columns - 1);
                c += rowStride;
            }
        }
    }
}
