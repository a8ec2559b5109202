using System.Numerics.Tensors;
using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>
/// The product over registers of one width: A and B are copied into panels, block by block, in the order in which tiles read them.
/// </summary>
internal sealed unsafe class SimdSgemm<TVector> : SgemmKernel
    where TVector : struct, ISimdFloat<TVector>
{
    private static readonly GemmBlocking _blocking = new(MicroKernel<TVector>.PanelRows, MicroKernel<TVector>.Columns);

    public override string Name => typeof(TVector).Name;

    public override int ScratchLength
        => GemmBlocking.LengthOfA + GemmBlocking.LengthOfB + (MicroKernel<TVector>.PanelRows * MicroKernel<TVector>.Columns);

    public override int TileRows => MicroKernel<TVector>.Rows;

    public override int TileColumns => MicroKernel<TVector>.Columns;

    public override long MaxRows(long inner) => TileRows * (long)_blocking.PanelsOfA(_blocking.Depth(inner));

    public override void Multiply(in MatrixView a, in MatrixView b, in MatrixView c, bool adds, float* scratch)
    {
        float* panelsOfA = scratch, panelsOfB = panelsOfA + GemmBlocking.LengthOfA, tile = panelsOfB + GemmBlocking.LengthOfB;
        int depth = _blocking.Depth(a.Columns);
        long columns = TileColumns * (long)_blocking.PanelsOfB(depth);
        long step = 0;
        do
        {
            MatrixView partOfA = a.Block(0, step, a.Rows, depth);
            Packing<SimdFloat128>.Pack(partOfA.Transposed, TileRows, MicroKernel<TVector>.PanelRows, panelsOfA);
            MatrixView nextOfA = a.Block(0, step + depth, a.Rows, depth);
            var prefetchOfA = new PanelPrefetch(in nextOfA, panelsOfA);
            for (long column = 0; column < c.Columns; column += columns)
            {
                MatrixView partOfB = b.Block(step, column, depth, columns), partOfC = c.Block(0, column, c.Rows, columns);
                Packing<TVector>.Pack(in partOfB, TileColumns, TileColumns, panelsOfB);
                MatrixView nextOfB = column + columns < c.Columns
                    ? b.Block(step, column + columns, depth, columns)
                    : b.Block(step + depth, 0, depth, columns);
                var prefetchOfB = new PanelPrefetch(in nextOfB, panelsOfB);
                MultiplyPanels(
                    panelsOfA, panelsOfB, (int)partOfA.Columns, in partOfC, adds || step > 0, tile, ref prefetchOfA, ref prefetchOfB);
            }

            step += depth;
        }
        while (step < a.Columns);
    }

    private static void MultiplyPanels(
        float* panelsOfA,
        float* panelsOfB,
        int steps,
        in MatrixView c,
        bool adds,
        float* tile,
        ref PanelPrefetch prefetchOfA,
        ref PanelPrefetch prefetchOfB)
    {
        for (long row = 0; row < c.Rows; row += MicroKernel<TVector>.Rows)
        {
            float* panelOfB = panelsOfB;
            for (long column = 0; column < c.Columns; column += MicroKernel<TVector>.Columns)
            {
                MatrixView tileOfC = c.Block(row, column, MicroKernel<TVector>.Rows, MicroKernel<TVector>.Columns);
                ref PanelPrefetch next = ref prefetchOfB.IsDone ? ref prefetchOfA : ref prefetchOfB;
                MultiplyTile(panelsOfA, panelOfB, steps, in tileOfC, adds, tile, ref next);
                next.Count(steps, panelsOfB);
                panelOfB += (long)steps * MicroKernel<TVector>.Columns;
            }

            panelsOfA += (long)steps * MicroKernel<TVector>.PanelRows;
        }
    }

    /// <summary>A tile that reaches over an edge of C is computed elsewhere, and copied in part.</summary>
    private static void MultiplyTile(float* a, float* b, int steps, in MatrixView c, bool adds, float* tile, ref PanelPrefetch next)
    {
        const int shortRows = 6;
        bool isTall = c.Rows > shortRows;
        int rows = isTall ? MicroKernel<TVector>.Rows : shortRows;
        if (c.Rows == rows && c.Columns == MicroKernel<TVector>.Columns)
        {
            MultiplyWhole(a, b, steps, c.Start, c.RowStride, isTall, adds, ref next);
            return;
        }

        MultiplyWhole(a, b, steps, tile, MicroKernel<TVector>.Columns, isTall, adds: false, ref next);
        for (long row = 0; row < c.Rows; row++)
        {
            var from = new ReadOnlySpan<float>(tile + (row * MicroKernel<TVector>.Columns), (int)c.Columns);
            var to = new Span<float>(c.Start + (row * c.RowStride), (int)c.Columns);
            if (adds)
            {
                TensorPrimitives.Add(to, from, to);
            }
            else
            {
                from.CopyTo(to);
            }
        }
    }

    private static void MultiplyWhole(float* a, float* b, int steps, float* c, long rowStride, bool isTall, bool adds, ref PanelPrefetch next)
    {
        switch (isTall, adds)
        {
            case (true, true):
                MicroKernel<TVector>.Multiply<On, On>(a, b, steps, c, rowStride, ref next);
                break;
            case (true, false):
                MicroKernel<TVector>.Multiply<On, Off>(a, b, steps, c, rowStride, ref next);
                break;
            case (false, true):
                MicroKernel<TVector>.Multiply<Off, On>(a, b, steps, c, rowStride, ref next);
                break;
            default:
                MicroKernel<TVector>.Multiply<Off, Off>(a, b, steps, c, rowStride, ref next);
                break;
        }
    }
}
