namespace PtxLosses.Benchmarks;

/// <summary>The physical memory that this process has, as Linux counts it.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status", ClearReferences = "/proc/self/clear_refs";

    /// <summary>
    /// How many bytes the peak during an action is above what the process had before; <see langword="null"/>, and nothing has
    /// run, where there is no telling.
    /// </summary>
    public static long? PeakAbove(Action action)
    {
        if (!File.Exists(ClearReferences))
        {
            return null;
        }

        long start = Bytes("VmRSS:");
        File.WriteAllText(ClearReferences, "5"); // the peak counts from here on: proc_pid_clear_refs(5)
        action();
        return Bytes("VmHWM:") - start;
    }

    private static long Bytes(string field)
    {
        string line = File.ReadLines(Status).First(line => line.StartsWith(field, StringComparison.Ordinal));
        return 1024 * long.Parse(line[field.Length..^"kB".Length]);
    }
}
