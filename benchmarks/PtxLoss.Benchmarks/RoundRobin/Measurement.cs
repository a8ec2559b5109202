using System.Diagnostics;

namespace PtxLosses.Benchmarks;

/// <summary>The median time of a contender.</summary>
internal sealed record Measurement(Work Work, string By, string Name, Shape Shape, int Threads, double Milliseconds)
{
    /// <summary>As <see cref="ThroughputColumn"/>: the size of the logits in 10⁹ bytes, each counted once, per second.</summary>
    public double GigabytesPerSecond => Shape.LogitBytes / Milliseconds / 1e6;

    /// <summary>As <see cref="Contender.ExtraBytes"/>.</summary>
    public long? ExtraBytes { get; init; }

    public bool IsPeer => By is not (Contender.Limit or Contender.PtxLoss);

    /// <summary>
    /// Times all contenders in turn, again and again, so that whatever else the machine does meets all of them alike. Each round
    /// starts with another of them, for none to be always first or always after the same one's break.
    /// </summary>
    public static IReadOnlyList<Measurement> Take(IReadOnlyList<Contender> contenders, int rounds)
    {
        // Uncounted rounds, for the runtime to compile again what turned out to be hot.
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

        return [.. contenders.Select((contender, i) => new Measurement(
            contender.Work, contender.By, contender.Name, contender.Shape, contender.Threads, Median(times[i])) { ExtraBytes = contender.ExtraBytes })];
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
