namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the loss from hidden states beside what can do the same and beside bare multiplications of the same matrices, all in one
/// run for each shape, and writes <c>head.md</c>.
/// </summary>
internal static class HeadCommand
{
    private static readonly Work[] _works = [Work.Forward, Work.Gradient];
    private static readonly bool[] _fusedAndNot = [true, false];

    public static void Run(IReadOnlyList<HeadShape> shapes, int threads, int rounds, string[] peers, ResultsFolder results)
    {
        HeadTable[] tables = [.. shapes.Select(shape => new HeadTable(shape, threads, Measure(shape, threads, rounds, peers)))];
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

    private static IReadOnlyList<HeadMeasurement> Measure(HeadShape shape, int threads, int rounds, IReadOnlyList<string> peers)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        List<PeerProcess> processes = [];
        try
        {
            Console.Error.WriteLine($"making and checking {shape}");
            using var problem = new HeadProblem(shape);
            problem.Save(folder);
            foreach (string peer in peers)
            {
                Console.Error.WriteLine($"checking {peer}");
                processes.Add(new(peer.Split(' '), [], problem, folder, threads));
            }

            List<Contender> contenders =
            [
                .. from isFused in _fusedAndNot
                   from work in _works
                   let bytes = ExtraBytes(work, isFused, problem, folder, threads)
                   select new HeadCalls(problem, threads, isFused).ToContender(work) with { ExtraBytes = bytes },
                .. processes.SelectMany(process => process.Contenders),
            ];
            Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
            return [.. Measurement.Take(contenders, rounds).Zip(contenders, (it, by) => new HeadMeasurement(it, by.ExtraBytes))];
        }
        finally
        {
            processes.ForEach(process => process.Dispose());
            Directory.Delete(folder, recursive: true);
        }
    }

    private static long? ExtraBytes(Work work, bool isFused, HeadProblem problem, string folder, int threads)
    {
        using var process = new PeerProcess(HeadMemoryCommand.StartFor(work, isFused), [], problem, folder, threads);
        return process.Contenders.Single().ExtraBytes;
    }
}
