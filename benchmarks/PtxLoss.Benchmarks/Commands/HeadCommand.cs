namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the loss from hidden states beside what can do the same and beside bare multiplications of the same matrices, all in one
/// run for each shape, and writes <c>head.md</c>.
/// </summary>
internal static class HeadCommand
{
    public static void Run(IReadOnlyList<HeadShape> shapes, int threads, int rounds, string[] peerCommands, ResultsFolder results)
    {
        HeadTable[] tables =
        [
            .. shapes.Select(shape => new HeadTable(shape, threads, Measure(shape, threads, rounds, peerCommands))),
        ];
        string ratios = string.Concat(tables.Select(table => table.ToRatios()));
        IEnumerable<string> parts =
        [
            "# Loss from hidden states\n",
            $"{Machine.Describe(rounds, HeadTable.Legend)}\n",
            .. ratios.Length > 0 ? [HeadTable.RatiosHeader + ratios] : Array.Empty<string>(), // without peers there are none
            .. tables.Select(table => table.ToMarkdown()),
        ];
        results.Write("head.md", string.Join('\n', parts));
    }

    private static IReadOnlyList<Measurement> Measure(HeadShape shape, int threads, int rounds, string[] peerCommands)
    {
        Console.Error.WriteLine($"making and checking {shape}");
        using var problem = new HeadProblem(shape);
        using var peers = new Peers(problem, threads);
        List<Contender> contenders =
        [
            .. HeadCalls.All(problem, threads).Select((it, number) => it.Calls.ToContender(it.Work) with
            {
                ExtraBytes = peers.ExtraBytes(new(OwnPeer.Head, Measured: number)),
            }),
        ];
        foreach (OwnPeer torch in OwnPeer.TorchBothWays)
        {
            peers.Start(torch, measuresMemory: !torch.KeepsFreed);
        }

        Array.ForEach(peerCommands, peers.Start);
        contenders.AddRange(peers.Contenders);
        Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
        return Measurement.Take(contenders, rounds);
    }
}
