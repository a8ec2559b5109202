using System.Numerics.Tensors;

namespace PtxLosses.Internals;

/// <summary>
/// The product over registers of one width: A and B are copied into panels, block by block, in the order in which tiles read them.
/// </summary>
internal sealed unsafe class VectorProduct<TVector> : ProductKernel
    where TVector : struct, IFloatVector<TVector>
{
    private static readonly CacheBlocking _blocking = new(ProductTile<TVector>.PanelRows, ProductTile<TVector>.Columns);

    public override string Name => typeof(TVector).Name;

    public override int ScratchLength
        => CacheBlocking.LengthOfA + CacheBlocking.LengthOfB + (ProductTile<TVector>.PanelRows * ProductTile<TVector>.Columns);

    public override int TileRows => ProductTile<TVector>.Rows;

    public override int TileColumns => ProductTile<TVector>.Columns;

    public override long MaxRows(long inner) => TileRows * (long)_blocking.PanelsOfA(_blocking.Depth(inner));

    public override void Multiply(in MatrixView a, in MatrixView b, in MatrixView c, bool adds, float* scratch)
    {
        float* panelsOfA = scratch, panelsOfB = panelsOfA + CacheBlocking.LengthOfA, tile = panelsOfB + CacheBlocking.LengthOfB;
        int depth = _blocking.Depth(a.Columns);
        long columns = TileColumns * (long)_blocking.PanelsOfB(depth);
        long step = 0;
        do
        {
            MatrixView partOfA = a.Block(0, step, a.Rows, depth);
            PanelPacking<FloatVector128>.Pack(partOfA.Transposed, TileRows, ProductTile<TVector>.PanelRows, panelsOfA);
            MatrixView nextOfA = a.Block(0, step + depth, a.Rows, depth);
            var prefetchOfA = new MatrixPrefetch(in nextOfA, panelsOfA);
            for (long column = 0; column < c.Columns; column += columns)
            {
                MatrixView partOfB = b.Block(step, column, depth, columns), partOfC = c.Block(0, column, c.Rows, columns);
                PanelPacking<TVector>.Pack(in partOfB, TileColumns, TileColumns, panelsOfB);
                MatrixView nextOfB = column + columns < c.Columns
                    ? b.Block(step, column + columns, depth, columns)
                    : b.Block(step + depth, 0, depth, columns);
                var prefetchOfB = new MatrixPrefetch(in nextOfB, panelsOfB);
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
        ref MatrixPrefetch prefetchOfA,
        ref MatrixPrefetch prefetchOfB)
    {
        for (long row = 0; row < c.Rows; row += ProductTile<TVector>.Rows)
        {
            float* panelOfB = panelsOfB;
            for (long column = 0; column < c.Columns; column += ProductTile<TVector>.Columns)
            {
                MatrixView tileOfC = c.Block(row, column, ProductTile<TVector>.Rows, ProductTile<TVector>.Columns);
                ref MatrixPrefetch next = ref prefetchOfB.IsDone ? ref prefetchOfA : ref prefetchOfB;
                MultiplyTile(panelsOfA, panelOfB, steps, in tileOfC, adds, tile, ref next);
                next.Count(steps, panelsOfB);
                panelOfB += (long)steps * ProductTile<TVector>.Columns;
            }

            panelsOfA += (long)steps * ProductTile<TVector>.PanelRows;
        }
    }

    /// <summary>A tile that reaches over an edge of C is computed elsewhere, and copied in part.</summary>
    private static void MultiplyTile(float* a, float* b, int steps, in MatrixView c, bool adds, float* tile, ref MatrixPrefetch next)
    {
        const int shortRows = 6;
        bool isTall = c.Rows > shortRows;
        int rows = isTall ? ProductTile<TVector>.Rows : shortRows;
        if (c.Rows == rows && c.Columns == ProductTile<TVector>.Columns)
        {
            MultiplyWhole(a, b, steps, c.Start, c.RowStride, isTall, adds, ref next);
            return;
        }

        MultiplyWhole(a, b, steps, tile, ProductTile<TVector>.Columns, isTall, adds: false, ref next);
        for (long row = 0; row < c.Rows; row++)
        {
            var from = new ReadOnlySpan<float>(tile + (row * ProductTile<TVector>.Columns), (int)c.Columns);
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

    private static void MultiplyWhole(float* a, float* b, int steps, float* c, long rowStride, bool isTall, bool adds, ref MatrixPrefetch next)
    {
        switch (isTall, adds)
        {
            case (true, true):
                ProductTile<TVector>.Multiply<On, On>(a, b, steps, c, rowStride, ref next);
                break;
            case (true, false):
                ProductTile<TVector>.Multiply<On, Off>(a, b, steps, c, rowStride, ref next);
                break;
            case (false, true):
                ProductTile<TVector>.Multiply<Off, On>(a, b, steps, c, rowStride, ref next);
                break;
            default:
                ProductTile<TVector>.Multiply<Off, Off>(a, b, steps, c, rowStride, ref next);
                break;
        }
    }
}
