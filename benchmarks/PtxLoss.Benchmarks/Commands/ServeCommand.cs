using System.Runtime.Intrinsics;

namespace PtxLosses.Benchmarks;

/// <summary>The other end of a <see cref="PeerProcess"/>: this library under other settings of the runtime.</summary>
internal static class ServeCommand
{
    public const string Verb = "serve";

    /// <summary>What starts this program again, as a peer.</summary>
    public static IReadOnlyList<string> Self { get; } = StartOf(Verb);

    /// <summary>What starts this program again.</summary>
    public static IReadOnlyList<string> StartOf(params ReadOnlySpan<string> args) =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet"
            ? [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "PtxLoss.Benchmarks.dll"), .. args]
            : [Environment.ProcessPath!, .. args];

    public static void Run(string[] args)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            throw new InvalidOperationException("512-bit vectors are on: DOTNET_EnableAVX512=0 turns them off.");
        }

        int tokens = int.Parse(args[1]), vocabulary = int.Parse(args[2]);
        using LossProblem problem = LossProblem.Load(new(tokens, vocabulary), args[0]);
        Contender contender = new Field(problem, threads: int.Parse(args[3])).Compute();
        string loss = problem.MeanLoss.ToString(); // what the contender's was compared with
        Console.WriteLine(string.Join('\t', contender.Work, contender.By, Names.Avx2, loss));
        Console.WriteLine(PeerProcess.Ready);
        while (Console.ReadLine() is not null)
        {
            Console.WriteLine(contender.TakeTurn().ToString());
        }
    }
}
