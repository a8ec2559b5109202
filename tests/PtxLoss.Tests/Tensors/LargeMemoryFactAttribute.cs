using System.Runtime.CompilerServices;

namespace PtxLosses.Tests;

/// <summary>A test that needs so much memory for itself, and is skipped where there is less.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LargeMemoryFactAttribute : FactAttribute
{
    public LargeMemoryFactAttribute(double gigabytes, [CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line)
    {
        Gigabytes = gigabytes;
        double available = Available / 1e9;
        if (available < gigabytes)
        {
            Skip = FormattableString.Invariant($"needs {gigabytes:F1} GB of free memory; the machine has {available:F1}");
        }
        else if (InstructionSetTests.IsChild)
        {
            Skip = "done once, with all instruction sets";
        }
    }

    public double Gigabytes { get; }

    /// <summary>What Linux says that a new program may use; elsewhere, what the runtime may.</summary>
    private static double Available
    {
        get
        {
            double limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
            const string memory = "/proc/meminfo", line = "MemAvailable:";
            string? available = File.Exists(memory)
                ? File.ReadLines(memory).FirstOrDefault(text => text.StartsWith(line, StringComparison.Ordinal))
                : null;
            return available == null
                ? limit
                : Math.Min(
                    limit,
                    1024 * double.Parse(
                        available[line.Length..].Replace("kB", "", StringComparison.Ordinal),
                        System.Globalization.CultureInfo.InvariantCulture));
        }
    }
}
