using System.Diagnostics;

namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Ranks that exchange numbers. All of them must make the same calls in the same order. Counts are ints, as those of spans
/// are, so none can be too large for MPI.
/// </summary>
internal sealed class Communicator
{
    private readonly MpiLibrary _mpi;
    private readonly nint _handle;

    public Communicator(MpiLibrary mpi, nint handle)
    {
        (_mpi, _handle) = (mpi, handle);
        MpiLibrary.Check(NativeMethods.MPI_Comm_rank(handle, out int rank));
        MpiLibrary.Check(NativeMethods.MPI_Comm_size(handle, out int size));
        (Rank, Size) = (rank, size);
    }

    public int Rank { get; }

    public int Size { get; }

    /// <summary>The ranks that give the same <paramref name="part"/>, in their order here.</summary>
    public Communicator Split(int part)
    {
        MpiLibrary.Check(NativeMethods.MPI_Comm_split(_handle, part, Rank, out nint handle));
        return new Communicator(_mpi, handle);
    }

    public void AllReduceMax(Span<double> values, Traffic? traffic = null) => AllReduce(values, _mpi.Double, _mpi.Max, traffic);

    public void AllReduceSum(Span<double> values, Traffic? traffic = null) => AllReduce(values, _mpi.Double, _mpi.Sum, traffic);

    public void AllReduceSum(Span<float> values, Traffic? traffic = null) => AllReduce(values, _mpi.Float, _mpi.Sum, traffic);

    /// <summary>The values of all ranks, [rank][value].</summary>
    public unsafe long[][] AllGather(ReadOnlySpan<long> values)
    {
        long[] all = new long[Size * values.Length];
        fixed (long* send = values, receive = all)
        {
            MpiLibrary.Check(NativeMethods.MPI_Allgather(
                send, values.Length, _mpi.Int64, receive, values.Length, _mpi.Int64, _handle));
        }

        return [.. all.Chunk(values.Length)];
    }

    /// <summary>The values of all ranks, one after the other, into <paramref name="all"/> of rank 0.</summary>
    /// <param name="mine">What this rank has.</param>
    /// <param name="counts">How many values each rank has.</param>
    /// <param name="all">Written on rank 0; may be empty elsewhere.</param>
    public unsafe void Gather(ReadOnlySpan<float> mine, int[] counts, Span<float> all)
    {
        int[] starts = new int[Size];
        for (int rank = 1; rank < Size; rank++)
        {
            starts[rank] = starts[rank - 1] + counts[rank - 1];
        }

        fixed (float* send = mine, receive = all)
        fixed (int* receiveCounts = counts, receiveStarts = starts)
        {
            MpiLibrary.Check(NativeMethods.MPI_Gatherv(
                send, mine.Length, _mpi.Float, receive, receiveCounts, receiveStarts, _mpi.Float, root: 0, _handle));
        }
    }

    public void Barrier() => MpiLibrary.Check(NativeMethods.MPI_Barrier(_handle));

    /// <summary>Ends all processes of the job, whatever they are waiting for.</summary>
    public void Abort(int exitCode) => MpiLibrary.Check(NativeMethods.MPI_Abort(_handle, exitCode));

    /// <summary>In place; a rank on its own has the result already.</summary>
    private unsafe void AllReduce<T>(Span<T> values, nint type, nint operation, Traffic? traffic)
        where T : unmanaged
    {
        if (Size == 1)
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        fixed (T* receive = values)
        {
            MpiLibrary.Check(NativeMethods.MPI_Allreduce(
                NativeMethods.InPlace, receive, values.Length, type, operation, _handle));
        }

        traffic?.Add((long)values.Length * sizeof(T), start);
    }
}

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
