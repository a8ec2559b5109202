using System.Diagnostics;
using System.Text.Json;

namespace PtxLosses.Samples.Gpt;

/// <summary>This program once more, as a <see cref="LayerWorker"/>.</summary>
internal sealed class LayerProcess : IDisposable
{
    private readonly Process _process;

    public LayerProcess(string lossLayer, bool keepFreed, MeasuredBatch batch)
    {
        LossLayer = lossLayer;
        string program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        }

        string[] kept = keepFreed ? ["--keep-freed"] : [];
        foreach (string argument in (string[])[MeasureCommand.Name, "--loss", lossLayer, .. kept])
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start)!;
        _process.StandardInput.WriteLine(JsonSerializer.Serialize(batch));
    }

    public string LossLayer { get; }

    public List<MeasuredStep> Steps { get; } = [];

    public void Step() => Steps.Add(Ask<MeasuredStep>(() => _process.StandardInput.WriteLine("step")));

    public MeasuredMemory Finish() => Ask<MeasuredMemory>(_process.StandardInput.Close);

    /// <summary>A worker ends when nobody talks to it any more.</summary>
    public void Dispose()
    {
        try
        {
            _process.StandardInput.Dispose();
        }
        catch (IOException)
        {
            // It has ended before.
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    private T Ask<T>(Action request)
    {
        try
        {
            request();
            string answer = _process.StandardOutput.ReadLine() ?? throw new EndOfStreamException();
            return JsonSerializer.Deserialize<T>(answer)!;
        }
        catch (IOException ended)
        {
            throw new SampleException($"The process that measures the loss layer {LossLayer} has ended.", ended);
        }
    }
}
