using System.Diagnostics;

namespace PtxLosses.Benchmarks;

/// <summary>The median time of a contender.</summary>
internal sealed record Measurement(Work Work, string By, string Name, Shape Shape, int Threads, double Milliseconds)
{
    /// <summary>As <see cref="ThroughputColumn"/>: the size of the logits in 10⁹ bytes, each counted once, per second.</summary>
    public double GigabytesPerSecond => Shape.LogitBytes / Milliseconds / 1e6;

    public OutputMemory Memory { get; init; }

    /// <summary>Whose code it is, without the version.</summary>
    public string Library => By.Split(' ')[0];

    /// <summary>As <see cref="Contender.ExtraBytes"/>.</summary>
    public long? ExtraBytes { get; init; }

    public bool IsPeer => By is not (Contender.Limit or Contender.BareLoop or Contender.PtxLoss or Contender.TorchSharp);

    /// <summary>
    /// Times all contenders in turn, again and again, so that whatever else the machine does meets all of them alike. Each round
    /// starts with another of them, so that none is always first.
    /// </summary>
    public static IReadOnlyList<Measurement> Take(IReadOnlyList<Contender> contenders, int rounds)
    {
        // Rounds that do not count, in which the runtime compiles hot methods anew.
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < 3 || Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(1); round++)
        {
            foreach (Contender contender in contenders)
            {
                contender.TakeTurn();
            }
        }

        double[][] times = [.. contenders.Select(_ => new double[rounds])];
        for (int round = 0; round < rounds; round++)
        {
            for (int turn = 0; turn < contenders.Count; turn++)
            {
                int i = (turn + round) % contenders.Count;
                times[i][round] = contenders[i].TakeTurn();
            }
        }

        return
        [
            .. contenders.Select((it, i) => new Measurement(it.Work, it.By, it.Name, it.Shape, it.Threads, Median(times[i]))
            {
                Memory = it.Memory,
                ExtraBytes = it.ExtraBytes,
            }),
        ];
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
