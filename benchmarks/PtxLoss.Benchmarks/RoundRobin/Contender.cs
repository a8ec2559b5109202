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

/// <summary>One thing to time; what it answers has been checked.</summary>
/// <param name="Work">What it finds, or, for a limit, what it limits.</param>
/// <param name="By">Whose code it is, with the version.</param>
/// <param name="Name">How it is called.</param>
/// <param name="Shape">The shape of the logits.</param>
/// <param name="Threads">The number of threads.</param>
/// <param name="TakeTurn">
/// Runs it twice, the first time to wake threads and caches after the contender before, and returns the milliseconds of the
/// second.
/// </param>
internal sealed record Contender(Work Work, string By, string Name, Shape Shape, int Threads, Func<double> TakeTurn)
{
    /// <summary>Those that bound what any code can do.</summary>
    public const string Limit = "memory limit";

    public const string PtxLoss = "PtxLoss";

    /// <summary>Turns of an action in this process.</summary>
    public static Func<double> TurnsOf(Action action) => () =>
    {
        action();
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    };
}
