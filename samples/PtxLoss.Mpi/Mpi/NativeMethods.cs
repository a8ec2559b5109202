using System.Runtime.InteropServices;

namespace PtxLosses.Samples.Mpi;

/// <summary>
/// The functions of MPI that the sample calls, as the standard declares them in C. Handles (communicators, types,
/// operations) are pointers, which is Open MPI's choice: other implementations have other handles.
/// </summary>
internal static partial class NativeMethods
{
    /// <summary>Resolved by <see cref="MpiLibrary"/>.</summary>
    public const string Library = "mpi";

    /// <summary>MPI_THREAD_FUNNELED: only the thread that initialised MPI calls it.</summary>
    public const int ThreadFunneled = 1;

    /// <summary>MPI_MAX_ERROR_STRING of Open MPI.</summary>
    public const int LongestError = 256;

    /// <summary>MPI_IN_PLACE: what is sent is where the result goes.</summary>
    public static readonly nint InPlace = 1;

    [LibraryImport(Library)]
    public static partial int MPI_Init_thread(nint argc, nint argv, int required, out int provided);

    [LibraryImport(Library)]
    public static partial int MPI_Finalize();

    [LibraryImport(Library)]
    public static partial int MPI_Abort(nint communicator, int exitCode);

    [LibraryImport(Library)]
    public static unsafe partial int MPI_Error_string(int code, byte* text, out int length);

    [LibraryImport(Library)]
    public static partial int MPI_Comm_set_errhandler(nint communicator, nint handler);

    [LibraryImport(Library)]
    public static partial int MPI_Comm_rank(nint communicator, out int rank);

    [LibraryImport(Library)]
    public static partial int MPI_Comm_size(nint communicator, out int size);

    [LibraryImport(Library)]
    public static partial int MPI_Comm_split(nint communicator, int colour, int key, out nint part);

    [LibraryImport(Library)]
    public static partial int MPI_Barrier(nint communicator);

    [LibraryImport(Library)]
    public static unsafe partial int MPI_Allreduce(
        nint send, void* receive, int count, nint type, nint operation, nint communicator);

    [LibraryImport(Library)]
    public static unsafe partial int MPI_Allgather(
        void* send, int sendCount, nint sendType, void* receive, int receiveCount, nint receiveType, nint communicator);

    [LibraryImport(Library)]
    public static unsafe partial int MPI_Gatherv(
        void* send,
        int sendCount,
        nint sendType,
        void* receive,
        int* receiveCounts,
        int* receiveStarts,
        nint receiveType,
        int root,
        nint communicator);
}
