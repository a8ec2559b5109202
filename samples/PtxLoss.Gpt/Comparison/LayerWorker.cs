using System.Diagnostics;
using System.Text.Json;

namespace PtxLosses.Samples.Gpt;

/// <summary>
/// The process that trains with one loss layer while the comparison times it: a process for each, or the peak of one would hide
/// that of another. It reads a <see cref="MeasuredBatch"/>, answers each further line by a step, and the end by its memory.
/// </summary>
internal static class LayerWorker
{
    public static void Run(ILossLayer lossLayer, TextReader requests, TextWriter answers)
    {
        MeasuredBatch batch = JsonSerializer.Deserialize<MeasuredBatch>(requests.ReadLine() ?? "")
            ?? throw new IOException("There is no batch to measure.");
        var model = new LanguageModel(lossLayer);
        using GptPolicy policy = model.Create(seed: 0);
        using IFineTuning fineTuning = new FineTuning(policy, gamma: 1);
        long beforeSteps = Environment.WorkingSet;
        while (requests.ReadLine() is not null)
        {
            Answer(Step(fineTuning, batch));
        }

        using var self = Process.GetCurrentProcess();
        Answer(new MeasuredMemory(self.PeakWorkingSet64, beforeSteps));

        void Answer<T>(T value)
        {
            answers.WriteLine(JsonSerializer.Serialize(value));
            answers.Flush();
        }
    }

    private static MeasuredStep Step(IFineTuning fineTuning, MeasuredBatch batch)
    {
        long start = Stopwatch.GetTimestamp();
        Rollout rollout = fineTuning.Policy.Sample(batch.Prompts, new Random(0));
        double rolloutSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        start = Stopwatch.GetTimestamp();
        (PtxLossResult loss, _) = fineTuning.Update(rollout, batch.Advantages, batch.Tokens, batch.Targets);
        return new MeasuredStep(loss.Total, Stopwatch.GetElapsedTime(start).TotalSeconds, rolloutSeconds);
    }
}
