namespace PtxLosses.Samples.Rlhf;

internal static class RowParallel
{
    // Fixed, so that the split of the work does not depend on the machine.
    private const int ChunkRows = 64;

    /// <summary>Runs <paramref name="body"/>(first, end) over chunks of rows that do not depend on each other.</summary>
    public static void For(int first, int count, Action<int, int> body)
    {
        int end = first + count;
        if (count <= ChunkRows)
        {
            body(first, end);
            return;
        }

        int chunks = (count + ChunkRows - 1) / ChunkRows;
        Parallel.For(0, chunks, chunk =>
        {
            int from = first + (chunk * ChunkRows);
            body(from, Math.Min(from + ChunkRows, end));
        });
    }
}
