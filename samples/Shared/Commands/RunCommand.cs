using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Spectre.Console;

namespace PtxLosses.Samples;

/// <summary>Runs the experiment and shows what it found. Exit codes: 0 done, 1 cannot run, 130 stopped by Ctrl+C.</summary>
internal static class RunCommand
{
    public const string ChartFile = "forgetting.svg";
    public const string TableFile = "forgetting.md";

    private const int WidthOfLogs = 140;

    /// <param name="run">The experiment.</param>
    /// <param name="directory">Where files are written; null for none.</param>
    public static int Execute(Func<IProgressDisplay, CancellationToken, ExperimentResult> run, string? directory)
    {
        try
        {
            if (directory is not null)
            {
                CheckWritable(directory);
            }

            IAnsiConsole console = CreateConsole();
            long start = Stopwatch.GetTimestamp();
            ExperimentResult result = Run(run, console);
            Show(result, Stopwatch.GetElapsedTime(start), directory, console);
            return result.Stopped ? 130 : 0;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Fail($"Cannot write to {directory ?? "the console"}: {problem.Message}");
        }
        catch (SampleException problem)
        {
            return Fail(problem.Message);
        }
    }

    /// <summary>Better to find out before a minute of work than after it.</summary>
    private static void CheckWritable(string directory)
    {
        Directory.CreateDirectory(directory);
        string probe = Path.Combine(directory, Path.GetRandomFileName());
        using FileStream file = File.Create(probe, bufferSize: 1, FileOptions.DeleteOnClose);
    }

    /// <summary>Without a terminal there are no colours, and lines as long as a log takes them.</summary>
    private static IAnsiConsole CreateConsole()
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        if (!Console.IsOutputRedirected)
        {
            return AnsiConsole.Console;
        }

        var plain = new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors };
        IAnsiConsole console = AnsiConsole.Create(plain);
        console.Profile.Width = WidthOfLogs;
        return console;
    }

    private static ExperimentResult Run(Func<IProgressDisplay, CancellationToken, ExperimentResult> run, IAnsiConsole console)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return Console.IsOutputRedirected
            ? RunExperiment(new ProgressLines(Console.Out))
            : ProgressBars.Run(console, RunExperiment);

        ExperimentResult RunExperiment(IProgressDisplay progress) => run(progress, stop.Token);

        // The first signal ends the run after the current step; a second one ends the process.
        void Stop(PosixSignalContext context)
        {
            context.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }
    }

    private static void Show(ExperimentResult result, TimeSpan elapsed, string? directory, IAnsiConsole console)
    {
        var report = new Report(result);
        console.WriteLine();
        report.WriteTo(console);
        console.WriteLine();
        string written = directory is null ? "" : $" Wrote {Write(result, report, directory)}.";
        console.WriteLine($"{elapsed.TotalSeconds:F0} s.{written}");
    }

    /// <summary>Returns what it wrote: no chart of a run that was stopped before the first RL step.</summary>
    private static string Write(ExperimentResult result, Report report, string directory)
    {
        string table = Path.Combine(directory, TableFile), chart = Path.Combine(directory, ChartFile);
        File.WriteAllText(table, report.ToMarkdown());
        if (result.FineTuned.Count == 0)
        {
            return table;
        }

        File.WriteAllText(chart, ForgettingChart.Draw(result));
        return $"{chart} and {table}";
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine($"error: {message}");
        return 1;
    }
}
