using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>C = A·B or C += A·B in float.</summary>
/// <remarks>
/// C is cut into tasks, each of which goes over the whole inner dimension, in an order that neither the cut nor the threads
/// change: so they do not change a bit of C.
/// </remarks>
internal static unsafe class Sgemm
{
    private const int FloatsPerLine = 16;

    /// <summary>The kernels that can run on this machine, best first.</summary>
    public static IReadOnlyList<SgemmKernel> Kernels { get; } = MakeKernels();

    /// <summary>Rows of C that are computed at a time.</summary>
    public static int TileRows => Kernels[0].TileRows;

    /// <summary>Floats of scratch memory that a product on as many threads needs.</summary>
    public static long ScratchLength(int threads) => ScratchLength(Kernels[0], threads);

    /// <inheritdoc cref="ScratchLength(int)"/>
    public static long ScratchLength(SgemmKernel kernel, int threads) => (threads * Stride(kernel)) + FloatsPerLine;

    /// <inheritdoc cref="Multiply(SgemmKernel, MatrixView, MatrixView, MatrixView, bool, int, float*)"/>
    public static void Multiply(MatrixView a, MatrixView b, MatrixView c, bool adds, int threads, float* scratch)
        => Multiply(Kernels[0], a, b, c, adds, threads, scratch);

    /// <summary>C = A·B or C += A·B.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="a">A, m × k.</param>
    /// <param name="b">B, k × n.</param>
    /// <param name="c">C, m × n, whose rows must be contiguous, and must not overlap with A or B.</param>
    /// <param name="adds">Whether to add to C.</param>
    /// <param name="threads">The most threads to use, at least 1.</param>
    /// <param name="scratch">Memory of <see cref="ScratchLength(int)"/> floats.</param>
    public static void Multiply(SgemmKernel kernel, MatrixView a, MatrixView b, MatrixView c, bool adds, int threads, float* scratch)
    {
        if (c.Rows == 0 || c.Columns == 0)
        {
            return;
        }

        var cut = GemmPartition.For(kernel, c.Rows, c.Columns, a.Columns, threads);
        const int line = FloatsPerLine * sizeof(float);
        float* aligned = (float*)(((nint)scratch + line - 1) / line * line);
        long stride = Stride(kernel);
        ParallelLoop.Run(cut.Count, cut.Threads, (task, worker) =>
        {
            long row = cut.FirstRow(task), column = cut.FirstColumn(task);
            MatrixView blockOfA = a.Block(row, 0, cut.Rows, a.Columns), blockOfB = b.Block(0, column, b.Rows, cut.Columns);
            MatrixView blockOfC = c.Block(row, column, cut.Rows, cut.Columns);
            kernel.Multiply(in blockOfA, in blockOfB, in blockOfC, adds, aligned + (worker * stride));
        });
    }

    private static long Stride(SgemmKernel kernel) => ((long)kernel.ScratchLength + FloatsPerLine - 1) / FloatsPerLine * FloatsPerLine;

    private static SgemmKernel[] MakeKernels()
    {
        var kernels = new KernelList([]);
        SimdWidths.Visit(ref kernels);
        kernels.List.Add(new PlainProduct());
        return [.. kernels.List];
    }

    private readonly record struct KernelList(List<SgemmKernel> List) : ISimdVisitor
    {
        public void Visit<TVector>()
            where TVector : struct, ISimdFloat<TVector>
            => List.Add(new SimdSgemm<TVector>());
    }
}
