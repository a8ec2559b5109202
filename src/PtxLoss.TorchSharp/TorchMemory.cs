using System.Runtime.InteropServices;

namespace PtxLosses.Torch;

/// <summary>The memory of torch on the CPU.</summary>
public static partial class TorchMemory
{
    private const int TrimThreshold = -1, TopPad = -2, MaxMappings = -4;

    /// <summary>
    /// Makes the allocator of glibc keep what is freed, for the whole process: torch's large tensors then take memory that was
    /// used before, instead of fresh memory from the system, whose pages are zeroed one after another when they are first
    /// touched. A training step of any kind is faster for it. Call it once, before the first step.
    /// </summary>
    /// <returns>
    /// Whether it took effect. <see langword="false"/>, and nothing done, on other systems than Linux, with another C library,
    /// such as musl, and with another allocator, such as jemalloc or tcmalloc: those keep freed memory by settings of their
    /// own.
    /// </returns>
    /// <remarks>
    /// The process keeps the memory of its largest step until it ends. <c>mallopt</c> is told to take nothing by
    /// <c>mmap</c> (<c>M_MMAP_MAX</c> 0), to give nothing back (<c>M_TRIM_THRESHOLD</c>) and to ask for 256 MB at a time
    /// (<c>M_TOP_PAD</c>). Source: the manual page mallopt(3).
    /// </remarks>
    public static bool KeepFreed()
        => IsAllocatorOfGlibc()
            && SetOption(MaxMappings, 0) == 1
            && SetOption(TrimThreshold, int.MaxValue) == 1
            && SetOption(TopPad, 256 << 20) == 1;

    /// <summary>Whether the program's <c>malloc</c> is glibc's own: another library may have been loaded in its place.</summary>
    private static bool IsAllocatorOfGlibc()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out nint library))
        {
            return false;
        }

        return NativeLibrary.TryGetExport(library, "gnu_get_libc_version", out _)
            && NativeLibrary.TryGetExport(library, "mallopt", out _)
            && NativeLibrary.TryGetExport(library, "malloc", out nint own)
            && NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "malloc", out nint used)
            && own == used;
    }

    [LibraryImport("libc.so.6", EntryPoint = "mallopt")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetOption(int option, int value);
}
