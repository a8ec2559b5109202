using System.CommandLine;
using System.Runtime.InteropServices;

namespace PtxLosses.Samples.Gpt;

/// <summary>The command, not shown by help, by which this program starts itself as a <see cref="LayerWorker"/>.</summary>
internal static class MeasureCommand
{
    public const string Name = "measure";

    public static Command Create(GptOptions options)
    {
        Command command = new(Name) { Hidden = true };
        options.Loss.Recursive = options.KeepFreed.Recursive = true;
        command.SetAction(parsed =>
        {
            // Ctrl+C reaches all processes; this one ends with the one that started it.
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
            options.KeepFreedIfAsked(parsed);
            LayerWorker.Run(options.LossLayer(parsed), Console.In, Console.Out);
        });
        return command;
    }
}
