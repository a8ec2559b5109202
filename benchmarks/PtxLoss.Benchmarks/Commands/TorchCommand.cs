namespace PtxLosses.Benchmarks;

/// <summary>
/// Times the library's functions of torch's tensors beside torch's own, as users call them and with memory reused, all in one
/// run, and writes <c>torch.md</c>.
/// </summary>
internal static class TorchCommand
{
    /// <summary>So small that what surrounds the arithmetic shows.</summary>
    private static readonly Shape _small = new(4, 32_000);

    public static void Run(HeadShape shape, int threads, int rounds, ResultsFolder results)
    {
        Console.Error.WriteLine($"making and checking {shape}");
        using var hidden = new HeadProblem(shape);
        using var logits = new LossProblem(shape.Logits);
        using var small = new LossProblem(_small);
        using Peers ofHidden = new(hidden, threads), ofLogits = new(logits, threads), ofSmall = new(small, threads);
        foreach (OwnPeer torch in OwnPeer.TorchBothWays)
        {
            ofHidden.Start(torch, measuresMemory: !torch.KeepsFreed);
            ofLogits.Start(torch);
            ofSmall.Start(torch);
        }

        if (ofLogits.Contenders.Count == 0)
        {
            throw new InvalidOperationException("There is nothing to time without libtorch.");
        }

        var core = new Field(small, threads);
        List<Contender> contenders =
        [
            .. ofHidden.Contenders,
            .. ofLogits.Contenders,
            .. ofSmall.Contenders,
            core.Compute(),
            core.ComputeToOther(),
            core.ComputeInPlace(),
        ];
        Console.Error.WriteLine($"timing {contenders.Count} contenders in {rounds} rounds");
        var table = new TorchTable(shape, _small, threads, Measurement.Take(contenders, rounds));
        string conditions = Machine.Describe(rounds, TorchTable.Legend);
        results.Write("torch.md", $"# PtxLoss.TorchSharp and torch\n\n{conditions}\n\n{table.ToMarkdown()}");
    }
}
