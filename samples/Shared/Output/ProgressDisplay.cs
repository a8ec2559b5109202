using System.Diagnostics;

namespace PtxLosses.Samples;

/// <summary>Where a run says how far it is.</summary>
internal interface IProgressDisplay
{
    void Announce(string line);

    IProgressStage Begin(string name, int steps);
}

internal interface IProgressStage
{
    void Report(int step, string detail);
}

/// <summary>A plain line every few seconds and at the end of each stage, for a file or a build log.</summary>
internal sealed class ProgressLines(TextWriter writer) : IProgressDisplay
{
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(2);

    public void Announce(string line) => writer.WriteLine(line);

    public IProgressStage Begin(string name, int steps) => new Stage(writer, name, steps);

    private sealed class Stage(TextWriter writer, string name, int steps) : IProgressStage
    {
        private long _last = Stopwatch.GetTimestamp();

        public void Report(int step, string detail)
        {
            if (step == steps || Stopwatch.GetElapsedTime(_last) > _interval)
            {
                _last = Stopwatch.GetTimestamp();
                writer.WriteLine($"{name}: step {step}/{steps}, {detail}");
            }
        }
    }
}
