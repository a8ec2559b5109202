using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>
/// The sizes of blocks, by their names in BLIS. A block of A, MC × KC, is packed into panels of MR rows, and a block of B, KC ×
/// NC, into panels of NR columns. From a panel of each the micro-kernel computes a tile of C, MR × NR.
/// </summary>
/// <remarks>
/// A panel of A stays in the first-level cache while all panels of B pass by. Both packed blocks stay in the second level.
/// </remarks>
/// <param name="MR">Rows of a tile of C.</param>
/// <param name="NR">Columns of a tile of C.</param>
/// <param name="PackMR">Floats that a packed panel of A has for each step of k, at least MR.</param>
internal readonly record struct GemmBlocking(int MR, int NR, int PackMR)
{
    /// <summary>
    /// In floats, 32 KB and 1 MB. Processors whose second level is smaller have a third level that is fast enough.
    /// </summary>
    private const int FirstLevel = 32 * 1024 / sizeof(float), SecondLevel = 1024 * 1024 / sizeof(float);

    /// <summary>Room for the packed block of A, in floats.</summary>
    public const int PackedA = SecondLevel / 2;

    /// <summary>Room for the packed block of B, in floats.</summary>
    public const int PackedB = SecondLevel / 4;

    /// <summary>
    /// The inner dimension is cut into as few blocks as fit, all of about one length. Nothing else decides in which order the
    /// terms of an element of C are added.
    /// </summary>
    public int KC(long k)
    {
        long blocks = Math.Max(1, Segments.Count(k, FirstLevel / 2 / PackMR));
        return (int)Math.Max(1, Segments.Count(k, blocks));
    }

    public int MC(int kc) => PackedA / (PackMR * kc) * MR;

    public int NC(int kc) => PackedB / (NR * kc) * NR;
}

/// <summary>
/// C is cut into a grid of blocks, each of which is a task for one thread. The last blocks of a row or column are smaller.
/// </summary>
/// <param name="M">Rows of C.</param>
/// <param name="N">Columns of C.</param>
/// <param name="BlockRows">Rows of a block.</param>
/// <param name="BlockColumns">Columns of a block.</param>
/// <param name="Threads">Threads that work on them.</param>
internal readonly record struct GemmPartition(long M, long N, long BlockRows, long BlockColumns, int Threads)
{
    /// <summary>Multiply-adds that take as long as packing one element.</summary>
    private const double PackingCost = 16;

    /// <summary>Threads are not equally fast. The others wait for the last one, for this part of a task.</summary>
    private const double Unevenness = 1.0 / 16;

    /// <summary>More tasks than this would not finish more evenly.</summary>
    private const long MostTasksPerThread = 16;

    /// <summary>A thread with fewer multiply-adds takes longer to wake than to do them.</summary>
    private const double LeastWorkPerThread = 512 * 1024;

    public long Tasks => Segments.Count(M, BlockRows) * ColumnBlocks;

    private long ColumnBlocks => Segments.Count(N, BlockColumns);

    /// <summary>An estimate for the slowest thread: multiply-adds and packing for each step of k.</summary>
    private double Time
        => (Segments.Count(Tasks, Threads) + (Threads > 1 ? Unevenness : 0))
            * (((double)BlockRows * BlockColumns) + (PackingCost * (BlockRows + BlockColumns)));

    /// <summary>
    /// Of all grids of whole tiles with at most MC rows to a block, the one with the least <see cref="Time"/>. A rule that cuts
    /// the longer side until there are enough tasks would be shorter, but leaves threads idle where C has few tiles.
    /// </summary>
    public static GemmPartition Choose(in GemmBlocking blocking, long m, long n, long k, int threads)
    {
        threads = (int)Math.Clamp((double)m * n * k / LeastWorkPerThread, 1, threads);
        long tilesDown = Segments.Count(m, blocking.MR), tilesAcross = Segments.Count(n, blocking.NR);
        long fewest = Segments.Count(m, blocking.MC(blocking.KC(k))), most = Math.Max(fewest, threads * MostTasksPerThread);
        GemmPartition best = default;
        double leastTime = double.PositiveInfinity;
        for (long down = fewest; down <= Math.Min(most, tilesDown); down++)
        {
            for (long across = 1; across <= Math.Min(most / down, tilesAcross); across++)
            {
                long rows = Segments.Count(tilesDown, down) * blocking.MR;
                long columns = Segments.Count(tilesAcross, across) * blocking.NR;
                var partition = new GemmPartition(m, n, rows, columns, threads);
                double time = partition.Time;
                if (time < leastTime)
                {
                    (best, leastTime) = (partition, time);
                }
            }
        }

        return best;
    }

    /// <summary>A task's block of C: its first row and column.</summary>
    public (long Row, long Column) Start(long task)
    {
        (long down, long across) = Math.DivRem(task, ColumnBlocks);
        return (down * BlockRows, across * BlockColumns);
    }
}
