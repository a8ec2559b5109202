using System.Numerics.Tensors;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <inheritdoc/>
/// <remarks>
/// These are the loops of GotoBLAS and BLIS, and their indices have the names that they have there. The loop over ic, in steps of
/// MC, is the partition's. Unlike there, A is packed first: a block of A serves all blocks of B.
/// </remarks>
internal sealed unsafe class SgemmKernel<TVector>()
    : SgemmKernel(typeof(TVector).Name, new(MicroKernel<TVector>.MR, MicroKernel<TVector>.NR, MicroKernel<TVector>.PackMR))
    where TVector : struct, ISimdFloat<TVector>
{
    private static int MR => MicroKernel<TVector>.MR;

    private static int NR => MicroKernel<TVector>.NR;

    private static int PackMR => MicroKernel<TVector>.PackMR;

    /// <inheritdoc/>
    protected override void MultiplyBlock<TB>(
        in MatrixView<float> a, in MatrixView<TB> b, in MatrixView<float> c, bool adds, float* scratch)
    {
        float* tile = stackalloc float[MR * NR];
        int kc = Blocking.KC(a.Columns), nc = Blocking.NC(kc);
        long pc = 0;
        do
        {
            MatrixView<float> blockOfA = a.Block(0, pc, a.Rows, kc);
            var panels = new PackedPanels(scratch, scratch + GemmBlocking.PackedA, (int)blockOfA.Columns);
            Packing<SimdFloat128>.Pack(blockOfA.Transposed, MR, PackMR, panels.A);
            var nextA = PanelPrefetch.Over(a.Block(0, pc + kc, a.Rows, kc), panels.A);
            for (long jc = 0; jc < c.Columns; jc += nc)
            {
                Packing<TVector>.Pack(b.Block(pc, jc, kc, nc), NR, NR, panels.B);
                bool isLast = jc + nc >= c.Columns;
                MatrixView<TB> nextBlockOfB = isLast ? b.Block(pc + kc, 0, kc, nc) : b.Block(pc, jc + nc, kc, nc);
                var nextB = PanelPrefetch.Over(nextBlockOfB, panels.B);
                MacroKernel(panels, c.Block(0, jc, c.Rows, nc), adds || pc > 0, tile, ref nextA, ref nextB);
            }

            pc += kc;
        }
        while (pc < a.Columns);
    }

    /// <summary>Every panel of A times every panel of B.</summary>
    private static void MacroKernel(
        PackedPanels panels, in MatrixView<float> c, bool adds, float* tile, ref PanelPrefetch nextA, ref PanelPrefetch nextB)
    {
        float* firstPanelOfB = panels.B;
        for (long ir = 0; ir < c.Rows; ir += MR)
        {
            panels.B = firstPanelOfB;
            for (long jr = 0; jr < c.Columns; jr += NR)
            {
                ref PanelPrefetch next = ref nextB.IsDone ? ref nextA : ref nextB;
                MultiplyTile(in panels, c.Block(ir, jr, MR, NR), adds, tile, ref next);
                panels.B += (long)panels.KC * NR;
            }

            panels.A += (long)panels.KC * PackMR;
        }
    }

    /// <summary>
    /// The micro-kernel writes whole tiles only. At an edge of C it writes to other memory, which is copied in part.
    /// </summary>
    private static void MultiplyTile(
        in PackedPanels panels, in MatrixView<float> c, bool adds, float* tile, ref PanelPrefetch next)
    {
        int rows = MicroKernel<TVector>.WholeRows(c.Rows);
        if (c.Rows == rows && c.Columns == NR)
        {
            MicroKernel<TVector>.Multiply(in panels, in c, adds, ref next);
            return;
        }

        var whole = new MatrixView<float>(tile, rows, NR, NR);
        MicroKernel<TVector>.Multiply(in panels, in whole, adds: false, ref next);
        for (long row = 0; row < c.Rows; row++)
        {
            ReadOnlySpan<float> product = whole.Row(row)[..(int)c.Columns];
            if (adds)
            {
                TensorPrimitives.Add(c.Row(row), product, c.Row(row));
            }
            else
            {
                product.CopyTo(c.Row(row));
            }
        }
    }
}
