namespace PtxLosses.Samples.Gpt;

/// <summary>Time and memory of a training step with each loss layer, the layers in turn.</summary>
/// <param name="rounds">How many steps are timed with each.</param>
/// <param name="keepFreed">Whether the allocator keeps what is freed.</param>
/// <param name="progress">Where it says how far it is.</param>
/// <param name="stop">Ends it after the current step.</param>
internal sealed class LayerComparison(int rounds, bool keepFreed, IProgressDisplay progress, CancellationToken stop)
{
    private const double Mega = 1e6;

    private static readonly string[] _columns =
        ["loss layer", "training step, ms", "faster than torch", "peak memory, MB", "of it in steps, MB", "of torch's peak"];

    /// <summary>Null where there is nothing to do.</summary>
    public ReportTable? Run(MeasuredBatch batch)
    {
        if (rounds == 0 || stop.IsCancellationRequested)
        {
            return null;
        }

        IProgressStage stage = progress.Begin("loss layers", rounds);
        LayerProcess[] layers = [.. LossLayers.Names.Select(name => new LayerProcess(name, keepFreed, batch))];
        try
        {
            // The first step is slower than all others, and warms up.
            for (int round = 0; round <= rounds; round++)
            {
                foreach (LayerProcess layer in layers)
                {
                    if (stop.IsCancellationRequested)
                    {
                        return new ReportTable(_columns, [], "Stopped before the loss layers were compared.");
                    }

                    layer.Step();
                }

                string times = string.Join(
                    ", ", layers.Select(layer => $"{layer.LossLayer} {layer.Steps[^1].UpdateSeconds * 1000:F0} ms"));
                stage.Report(round, times);
            }

            return Table(layers, [.. layers.Select(layer => layer.Finish())]);
        }
        finally
        {
            foreach (LayerProcess layer in layers)
            {
                layer.Dispose();
            }
        }
    }

    private ReportTable Table(LayerProcess[] layers, MeasuredMemory[] memory)
    {
        double[] seconds = [.. layers.Select(layer => Median(layer.Steps.Skip(1).Select(step => step.UpdateSeconds)))];
        double rollout = Median(layers.SelectMany(layer => layer.Steps.Skip(1)).Select(step => step.RolloutSeconds));
        string[][] rows =
        [
            .. layers.Select((layer, index) => (string[])
            [
                layer.LossLayer,
                $"{seconds[index] * 1000:F0}",
                $"{seconds[^1] / seconds[index]:F2}×",
                .. MemoryOf(memory[index], memory[^1]),
            ]),
        ];
        int steps = layers[0].Steps.Count;
        double difference = Enumerable.Range(0, steps)
            .Max(step => layers.Max(layer => Math.Abs(layer.Steps[step].Loss - layers[^1].Steps[step].Loss)));
        string allocator = keepFreed ? "freed memory kept by the allocator" : "memory as users call torch";
        return new ReportTable(
            _columns,
            rows,
            $"A training step is both losses, their gradients and the optimizer; {allocator}. Median of {steps - 1} steps, the "
            + "layers in turn, a process for each. "
            + $"The rollout before it takes {rollout * 1000:F0} ms with each layer. "
            + $"Over {steps} steps on the same text the totals differ by at most {difference:0.0E+0}.");
    }

    private static string[] MemoryOf(MeasuredMemory layer, MeasuredMemory torch) => layer.Peak == 0
        ? ["?", "?", "?"] // a system that does not say
        :
        [
            $"{layer.Peak / Mega:N0}",
            $"{(layer.Peak - layer.BeforeSteps) / Mega:N0}",
            $"{layer.Peak / (double)torch.Peak:F2}×",
        ];

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
