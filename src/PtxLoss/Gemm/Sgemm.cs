using PtxLosses.Common;
using PtxLosses.Simd;

namespace PtxLosses.Gemm;

/// <summary>Matrix products in float, whose right operand may be of any element type but <see cref="double"/>.</summary>
internal static unsafe class Sgemm
{
    /// <summary>The kernels that this machine can run, best first.</summary>
    public static IReadOnlyList<SgemmKernel> Kernels { get; } = MakeKernels();

    /// <summary>Rows of C that are computed at a time.</summary>
    public static int MR => Kernels[0].Blocking.MR;

    /// <summary>Floats of scratch memory that a product on so many threads needs.</summary>
    public static long ScratchLength(int threads) => threads * (long)SgemmKernel.ScratchLength;

    /// <inheritdoc cref="SgemmKernel.Multiplication{TB}"/>
    public static void Multiply<TB>(
        MatrixView<float> a, MatrixView<TB> b, MatrixView<float> c, bool adds, int threads, float* scratch)
        where TB : unmanaged
        => Kernels[0].Multiply(a, b, c, adds, threads, scratch);

    /// <inheritdoc cref="SgemmKernel.Multiplication{TB}"/>
    public static ParallelWork Multiplication<TB>(
        MatrixView<float> a, MatrixView<TB> b, MatrixView<float> c, bool adds, int threads, float* scratch)
        where TB : unmanaged
        => Kernels[0].Multiplication(a, b, c, adds, threads, scratch);

    private static SgemmKernel[] MakeKernels()
    {
        var kernels = new KernelList([]);
        SimdWidths.Visit(ref kernels);
        if (kernels.List.Count == 0)
        {
            kernels.Visit<SimdFloat128>(); // without hardware the runtime computes these in software
        }

        return [.. kernels.List];
    }

    private readonly record struct KernelList(List<SgemmKernel> List) : ISimdVisitor
    {
        public void Visit<TVector>()
            where TVector : struct, ISimdFloat<TVector>
            => List.Add(new SgemmKernel<TVector>());
    }
}

/// <summary>A product with vectors of one width, which is chosen when the program runs.</summary>
/// <remarks>
/// Only C is partitioned. One task adds up all terms of an element, in an order that depends on the inner dimension alone. So
/// neither the partition nor the number of threads changes a bit.
/// </remarks>
/// <param name="name">The vector's name, for tests.</param>
/// <param name="blocking">The sizes of the blocks.</param>
internal abstract unsafe class SgemmKernel(string name, GemmBlocking blocking)
{
    /// <summary>Floats of scratch memory for each thread.</summary>
    public const int ScratchLength = GemmBlocking.PackedA + GemmBlocking.PackedB;

    public string Name => name;

    public GemmBlocking Blocking => blocking;

    /// <inheritdoc cref="Multiplication{TB}"/>
    public void Multiply<TB>(
        MatrixView<float> a, MatrixView<TB> b, MatrixView<float> c, bool adds, int threads, float* scratch)
        where TB : unmanaged
        => ParallelLoop.Run(Multiplication(a, b, c, adds, threads, scratch));

    /// <summary>C = A·B or C += A·B; as work that is yet to be done, perhaps beside other work.</summary>
    /// <param name="a">A, m × k.</param>
    /// <param name="b">B, k × n: floats, or numbers of 16 bits, which are widened while they are packed.</param>
    /// <param name="c">C, m × n, whose rows must be contiguous, and must not overlap with A or B.</param>
    /// <param name="adds">Whether to add to C.</param>
    /// <param name="threads">The most threads to use, at least 1.</param>
    /// <param name="scratch">
    /// <see cref="ScratchLength"/> floats for each thread. For speed they should start at a cache line.
    /// </param>
    public ParallelWork Multiplication<TB>(
        MatrixView<float> a, MatrixView<TB> b, MatrixView<float> c, bool adds, int threads, float* scratch)
        where TB : unmanaged
    {
        if (c.IsEmpty)
        {
            return default;
        }

        var partition = GemmPartition.Choose(in blocking, c.Rows, c.Columns, a.Columns, threads);
        return new(partition.Tasks, partition.Threads, (task, worker) =>
        {
            (long row, long column) = partition.Start(task);
            MultiplyBlock(
                a.Block(row, 0, partition.BlockRows, a.Columns),
                b.Block(0, column, b.Rows, partition.BlockColumns),
                c.Block(row, column, partition.BlockRows, partition.BlockColumns),
                adds,
                scratch + ((long)worker * ScratchLength));
        });
    }

    /// <summary>The same on one thread, for at most MC rows.</summary>
    protected abstract void MultiplyBlock<TB>(
        in MatrixView<float> a, in MatrixView<TB> b, in MatrixView<float> c, bool adds, float* scratch)
        where TB : unmanaged;
}
