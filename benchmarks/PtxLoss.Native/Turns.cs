using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;

namespace PtxLosses.Benchmarks.Native;

/// <summary>The end that is timed: this program, compiled one way or the other, which runs when it is told to.</summary>
/// <remarks>
/// It first writes the bits of its vectors and its loss. For each line that it reads, it then answers with milliseconds.
/// </remarks>
internal static class Turns
{
    public const string Verb = "turns";

    public static void Run(int tokens, int vocabulary, int threads)
    {
        var options = new PtxLossOptions { MaxDegreeOfParallelism = threads };
        float[] logits = Aligned(tokens * vocabulary), gradient = Aligned(logits.Length);
        int[] targets = new int[tokens];
        var random = new Random(1);
        for (int i = 0; i < logits.Length; i++)
        {
            logits[i] = (random.NextSingle() * 20) - 10;
        }

        for (int i = 0; i < tokens; i++)
        {
            targets[i] = random.Next(vocabulary);
        }

        Action[] calls =
        [
            () => PtxLoss.Compute(0, logits, targets, vocabulary, 1, options),
            () => PtxLoss.ComputeWithGradient(0, gradient, targets, vocabulary, 1, gradient, options),
        ];
        double loss = PtxLoss.Compute(0, logits, targets, vocabulary, 1, options).Total;
        logits.CopyTo(gradient, 0);
        Console.WriteLine($"{VectorBits} {loss.ToString("R", CultureInfo.InvariantCulture)}");
        while (Console.ReadLine() is { } call)
        {
            Action run = calls[int.Parse(call)];
            run(); // to wake threads and caches
            long start = Stopwatch.GetTimestamp();
            run();
            Console.WriteLine(Stopwatch.GetElapsedTime(start).TotalMilliseconds.ToString("R", CultureInfo.InvariantCulture));
        }
    }

    /// <summary>What the compiler took for granted, or the JIT found.</summary>
    private static int VectorBits
        => Vector512.IsHardwareAccelerated ? 512
            : Vector256.IsHardwareAccelerated ? 256
            : Vector128.IsHardwareAccelerated ? 128 : 0;

    private static float[] Aligned(int length) => GC.AllocateArray<float>(length, pinned: true);
}

/// <summary>A process that does so, and what it said.</summary>
internal sealed class TurnProcess : IDisposable
{
    private readonly Process _process;

    public TurnProcess(string name, string program, params string[] arguments)
    {
        Name = name;
        _process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        string[] fields = ReadLine().Split(' ');
        (VectorBits, Loss) = (int.Parse(fields[0]), fields[1]);
    }

    public string Name { get; }

    public int VectorBits { get; }

    /// <summary>With all its digits.</summary>
    public string Loss { get; }

    /// <summary>The times of each call, in milliseconds.</summary>
    public List<double>[] Times { get; } = [[], []];

    public void TakeTurn()
    {
        for (int call = 0; call < Times.Length; call++)
        {
            _process.StandardInput.WriteLine(call);
            _process.StandardInput.Flush();
            Times[call].Add(double.Parse(ReadLine()));
        }
    }

    public double Median(int call) => Times[call].Order().ElementAt(Times[call].Count / 2);

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private string ReadLine()
        => _process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException($"{Name} ended: this processor lacks what it needs.");
}
