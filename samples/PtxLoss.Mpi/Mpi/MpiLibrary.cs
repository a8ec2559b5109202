using System.Reflection;
using System.Runtime.InteropServices;

namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Open MPI's libmpi: found, started, and the handles that C gets from mpi.h, which are addresses of what it exports.
/// </summary>
internal sealed class MpiLibrary
{
    // The name without a version exists only where the packages for developers are installed.
    private static readonly string[] _names = ["libmpi.so.40", "libmpi"];

    private static readonly string? _rank = Environment.GetEnvironmentVariable("OMPI_COMM_WORLD_RANK");

    private static nint _library;

    private MpiLibrary()
    {
        Double = Handle("ompi_mpi_double");
        Float = Handle("ompi_mpi_float");
        Int64 = Handle("ompi_mpi_int64_t");
        Max = Handle("ompi_mpi_op_max");
        Sum = Handle("ompi_mpi_op_sum");
        World = new Communicator(this, Handle("ompi_mpi_comm_world"));
    }

    /// <summary>All ranks of the job.</summary>
    public Communicator World { get; }

    public nint Double { get; }

    public nint Float { get; }

    public nint Int64 { get; }

    public nint Max { get; }

    public nint Sum { get; }

    public static bool StartedByMpirun => _rank is not null;

    /// <summary>Without mpirun this makes a job of one rank.</summary>
    /// <exception cref="MpiException">There is no Open MPI, or it cannot start.</exception>
    public static MpiLibrary Start()
    {
        _library = Load();
        NativeLibrary.SetDllImportResolver(
            Assembly.GetExecutingAssembly(), (name, _, _) => name == NativeMethods.Library ? _library : 0);
        Check(NativeMethods.MPI_Init_thread(0, 0, NativeMethods.ThreadFunneled, out int provided));
        if (provided < NativeMethods.ThreadFunneled)
        {
            throw new MpiException("This libmpi was built for programs without threads.");
        }

        // Otherwise an error ends the job inside libmpi, before anyone here can say what failed.
        Check(NativeMethods.MPI_Comm_set_errhandler(Handle("ompi_mpi_comm_world"), Handle("ompi_mpi_errors_return")));
        return new MpiLibrary();
    }

    /// <summary>
    /// Whether this is the first of the processes that mpirun started with the same command. It reports mistakes on the command
    /// line, or each rank would. Known before MPI starts, so that a mistake can be reported where there is no MPI.
    /// </summary>
    public static bool IsFirstOfItsCommand()
    {
        int first = 0;
        foreach (string processes in (Environment.GetEnvironmentVariable("OMPI_APP_CTX_NUM_PROCS") ?? "").Split(' '))
        {
            if (_rank is null || _rank == first.ToString())
            {
                return true;
            }

            first += int.TryParse(processes, out int count) ? count : 1;
        }

        return false;
    }

    public static unsafe void Check(int code)
    {
        if (code == 0)
        {
            return;
        }

        byte* text = stackalloc byte[NativeMethods.LongestError];
        bool known = NativeMethods.MPI_Error_string(code, text, out int length) == 0;
        throw new MpiException(known
            ? Marshal.PtrToStringUTF8((nint)text, length)
            : $"MPI error {code}");
    }

    /// <summary>Waits for the other ranks; not to be called where they may not come here.</summary>
    public static void Finish() => Check(NativeMethods.MPI_Finalize());

    private static nint Load()
    {
        foreach (string name in _names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
            {
                return NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _)
                    ? library
                    : throw new MpiException($"{name} is not Open MPI's, the only one whose handles are known here.");
            }
        }

        throw new MpiException($"Open MPI is not installed ({_names[0]}). On Debian and Ubuntu: apt-get install openmpi-bin");
    }

    private static nint Handle(string name) => NativeLibrary.GetExport(_library, name);
}
