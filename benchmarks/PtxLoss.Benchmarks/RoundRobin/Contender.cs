using System.Diagnostics;

namespace PtxLosses.Benchmarks;

/// <summary>What a contender finds.</summary>
internal enum Work
{
    /// <summary>The loss.</summary>
    Forward,

    /// <summary>The loss and the gradient of the logits.</summary>
    Gradient,
}

/// <summary>Where outputs go, and what else is as large.</summary>
internal enum OutputMemory
{
    /// <summary>Memory that was used before: allocated ahead, or by an allocator that keeps what is freed.</summary>
    Reused,

    /// <summary>Memory that each run asks for anew, as one calls a library without a thought.</summary>
    Fresh,
}

/// <summary>One thing to time; what it answers has been checked.</summary>
/// <param name="Work">What it finds, or, for a limit, what it limits.</param>
/// <param name="By">Whose code it is, with the version.</param>
/// <param name="Name">How it is called.</param>
/// <param name="Shape">The shape of the logits.</param>
/// <param name="Threads">The number of threads.</param>
/// <param name="TakeTurn">
/// Runs it once to wake threads and caches after the contender before, then as often as a few milliseconds take, and returns the
/// milliseconds of one of these runs.
/// </param>
internal sealed record Contender(Work Work, string By, string Name, Shape Shape, int Threads, Func<double> TakeTurn)
{
    /// <summary>Those that bound what any code can do.</summary>
    public const string Limit = "memory limit";

    /// <summary>The same, with the arithmetic: see <see cref="Benchmarks.BareLoop"/>.</summary>
    public const string BareLoop = "bare loop";

    public const string PtxLoss = "PtxLoss";

    /// <summary>This library as functions of torch's tensors.</summary>
    public const string TorchSharp = "PtxLoss.TorchSharp";

    /// <summary>How torch begins what it announces, before its version.</summary>
    public const string Libtorch = "libtorch";

    public OutputMemory Memory { get; init; } = OutputMemory.Reused;

    /// <summary>The most memory that a run took beyond inputs and outputs; <see langword="null"/>: not measured.</summary>
    public long? ExtraBytes { get; init; }

    /// <summary>The least time of a turn, in ms: short calls are repeated, so that waking threads does not count.</summary>
    private const double ShortestTurn = 2;

    /// <summary>Turns of an action in this process.</summary>
    public static Func<double> TurnsOf(Action action) => () =>
    {
        double waking = Time(action, calls: 1);
        int calls = (int)Math.Max(1, ShortestTurn / waking);
        return Time(action, calls) / calls;
    };

    private static double Time(Action action, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
        {
            action();
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
