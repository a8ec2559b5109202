namespace PtxLosses.Samples.Mpi;

/// <summary>What rank 0 prints.</summary>
internal sealed class Report(TextWriter output)
{
    private const string Columns = "step  tokens       loss  one process  |difference|  gradient        ms  in exchange";

    public void WriteHeader(
        string source, TrainingSettings settings, ModelShape shape, Grid grid, IReadOnlyList<VocabularySlice> slices)
    {
        int perStep = grid.Replicas * settings.MicroBatches * TrainingSettings.SequencesPerMicroBatch * shape.Context;
        output.WriteLine(source);
        output.WriteLine(
            $"{Counted(grid.World.Size, "rank")} = {Counted(grid.Replicas, "replica")} x {Counted(grid.Shards, "shard")}, "
            + $"{Counted(Environment.ProcessorCount, "thread")} each");
        output.WriteLine(
            $"vocabulary {shape.Vocabulary} = {string.Join(" + ", slices.Select(slice => slice.Length))}"
            + (settings.FromHidden ? ", from hidden states; one process holds all logits" : ""));
        output.WriteLine(
            $"step: {grid.Replicas} x {settings.MicroBatches} micro-batches of {TrainingSettings.SequencesPerMicroBatch} "
            + $"sequences of {shape.Context} = {perStep} positions; tokens: those that are not padding");
        output.WriteLine(
            "gradient: largest difference in parts of the largest element; ms: of the slowest rank, in step 1 with compilation");
        output.WriteLine();
        output.WriteLine(Columns);
    }

    public void WriteStep(
        int step,
        PtxLossResult loss,
        PtxLossResult oneProcess,
        Comparison comparison,
        double seconds,
        double exchangeSeconds) =>
        output.WriteLine(
            $"{step,4}{loss.TokenCount,8}{loss.LanguageModelLoss,11:F6}{oneProcess.LanguageModelLoss,13:F6}"
            + $"{comparison.Loss,14:0.0E-00}{comparison.Gradient,10:0.0E-00}"
            + $"{1000 * seconds,10:F1}{1000 * exchangeSeconds,13:F1}");

    public void WriteTraffic(double lossPerToken, double hiddenPerToken, double replicasPerStep)
    {
        output.WriteLine();
        output.WriteLine("bytes given to MPI by a rank, the most of any:");
        output.WriteLine($"  loss, per position              {lossPerToken,12:F0}");
        output.WriteLine($"  hidden gradient, per position   {hiddenPerToken,12:F0}");
        output.WriteLine($"  gradients of replicas, per step {replicasPerStep,12:F0}");
    }

    public static string Counted(int count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";
}
