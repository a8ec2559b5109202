using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PtxLosses.Torch.Tests;

/// <summary>The memory that the process holds.</summary>
internal static partial class ProcessMemory
{
    /// <summary>
    /// What is resident once nothing waits for a finalizer, and the allocator has given back what is free between what is not.
    /// </summary>
    public static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Held();
    }

    /// <summary>What is resident, garbage included, once the allocator has given back what is free.</summary>
    public static long Held()
    {
        try
        {
            _ = Trim(0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Another C library, which gives back by itself or not at all.
        }

        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Trim(nuint pad);
}
