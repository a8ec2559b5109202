using System.Diagnostics;

namespace PtxLosses.Samples.Mpi;

/// <summary>What this rank has handed to MPI for one purpose, and the time until it came back.</summary>
internal sealed class Traffic
{
    public long Bytes { get; private set; }

    public TimeSpan Elapsed { get; private set; }

    public void Add(long bytes, long since)
    {
        Bytes += bytes;
        Elapsed += Stopwatch.GetElapsedTime(since);
    }
}
