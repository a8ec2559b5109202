using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace PtxLosses.Tests;

/// <summary>One row of what samples/PtxLoss.Mpi prints.</summary>
internal sealed record MpiStep(int Step, long Tokens, double Loss, double OneProcess, double Difference, double Gradient);

/// <summary>A run of samples/PtxLoss.Mpi under mpirun, to its end or to that of the patience with it.</summary>
internal sealed class MpiJob
{
    /// <summary>Stands for the sample in arguments that start other processes with other options.</summary>
    public const string SampleAgain = "SAMPLE";

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(120);

    private MpiJob(int exitCode, string output, string errors) => (ExitCode, Output, Errors) = (exitCode, output, errors);

    public int ExitCode { get; }

    public string Output { get; }

    public string Errors { get; }

    public string Everything => Output + Errors;

    public IReadOnlyList<MpiStep> Steps =>
    [
        .. from line in Output.Split('\n')
           let cells = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
           where cells.Length == 8 && cells.All(cell => double.TryParse(cell, CultureInfo.InvariantCulture, out _))
           let numbers = Array.ConvertAll(cells, cell => double.Parse(cell, CultureInfo.InvariantCulture))
           select new MpiStep((int)numbers[0], (long)numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]),
    ];

    /// <summary>What is said to have been given to MPI for a purpose.</summary>
    public long Bytes(string purpose)
    {
        string line = Output.Split('\n').Single(line => line.Contains(purpose, StringComparison.Ordinal));
        return long.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
    }

    /// <exception cref="TimeoutException">It hangs; its processes are ended.</exception>
    public static MpiJob Run(int ranks, params string[] arguments)
    {
        var start = new ProcessStartInfo("mpirun")
        {
            ArgumentList = { "--oversubscribe", "--bind-to", "none", "-n", $"{ranks}", "dotnet", Sample },
            Environment =
            {
                // Containers run as root, and know it.
                ["OMPI_ALLOW_RUN_AS_ROOT"] = "1",
                ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1",

                // Other tests run beside this one: a rank has one thread, and does not spin while it waits.
                ["DOTNET_PROCESSOR_COUNT"] = "1",
                ["OMPI_MCA_mpi_yield_when_idle"] = "1",
            },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
        {
            if (argument == SampleAgain)
            {
                start.ArgumentList.Add("dotnet");
            }

            start.ArgumentList.Add(argument == SampleAgain ? Sample : argument);
        }

        using Process process = Process.Start(start)!;
        StringBuilder output = new(), errors = new();
        process.OutputDataReceived += (_, line) => output.AppendLine(line.Data);
        process.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(_patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', arguments)} hangs:\n{output}{errors}");
        }

        process.WaitForExit(); // for the rest of what it printed
        return new MpiJob(process.ExitCode, output.ToString(), errors.ToString());
    }

    /// <summary>Built for these tests, in the same configuration.</summary>
    private static string Sample
    {
        get
        {
            var framework = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(
                Repository.Root, "samples", "PtxLoss.Mpi", "bin", framework.Parent!.Name, framework.Name, "PtxLoss.Mpi.dll");
        }
    }
}
