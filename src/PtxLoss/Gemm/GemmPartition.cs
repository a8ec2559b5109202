using PtxLosses.Common;

namespace PtxLosses.Gemm;

/// <summary>How the C of a product is cut into tasks for threads: blocks of as many rows and columns, the last of them fewer.</summary>
internal readonly struct GemmPartition
{
    /// <summary>Multiplications that take as long as bringing an element from memory into a panel.</summary>
    private const double CostOfCopying = 16;

    /// <summary>The part of a task that the last of several threads is still at when the others have ended.</summary>
    private const double Unevenness = 1.0 / 16;

    /// <summary>More tasks per thread even out nothing.</summary>
    private const long TasksPerThread = 16;

    /// <summary>Fewer multiplications than this are done sooner by one thread than it takes to wake another.</summary>
    private const long MultiplicationsPerThread = 512 * 1024;

    private readonly long _columnBlocks;

    private GemmPartition(long rows, long columns, long rowBlocks, long columnBlocks, int threads)
    {
        Rows = rows;
        Columns = columns;
        _columnBlocks = columnBlocks;
        Count = rowBlocks * columnBlocks;
        Threads = threads;
    }

    public long Rows { get; }

    public long Columns { get; }

    public long Count { get; }

    public int Threads { get; }

    public long FirstRow(long task) => task / _columnBlocks * Rows;

    public long FirstColumn(long task) => task % _columnBlocks * Columns;

    /// <summary>The cut that takes the least time, by what its tasks copy and how they come out among the threads.</summary>
    public static GemmPartition For(SgemmKernel kernel, long rows, long columns, long inner, int threads)
    {
        long tilesDown = Segments.Count(rows, kernel.TileRows), tilesAcross = Segments.Count(columns, kernel.TileColumns);
        double multiplications = (double)rows * columns * inner;
        threads = (int)Math.Clamp(multiplications / MultiplicationsPerThread, 1, threads);
        long fewest = Segments.Count(tilesDown, kernel.MaxRows(inner) / kernel.TileRows), most = Math.Max(fewest, threads * TasksPerThread);
        double best = double.PositiveInfinity;
        GemmPartition cut = default;
        for (long rowBlocks = fewest; rowBlocks <= Math.Min(most, tilesDown); rowBlocks++)
        {
            for (long columnBlocks = 1; columnBlocks <= Math.Min(most / rowBlocks, tilesAcross); columnBlocks++)
            {
                long tileRows = Segments.Count(tilesDown, rowBlocks), tileColumns = Segments.Count(tilesAcross, columnBlocks);
                long taskRows = tileRows * kernel.TileRows, taskColumns = tileColumns * kernel.TileColumns;
                long down = Segments.Count(tilesDown, tileRows), across = Segments.Count(tilesAcross, tileColumns);
                double rounds = Segments.Count(down * across, threads) + (threads > 1 ? Unevenness : 0);
                double time = rounds * (((double)taskRows * taskColumns) + (CostOfCopying * (taskRows + taskColumns)));
                if (time < best)
                {
                    best = time;
                    cut = new(taskRows, taskColumns, down, across, threads);
                }
            }
        }

        return cut;
    }
}
