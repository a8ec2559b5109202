namespace PtxLosses.Samples;

internal static class LearningRateSchedule
{
    /// <summary>What part of the learning rate a step of pretraining takes: linear warm-up, then a cosine down to a tenth.</summary>
    public static double At(int step, int steps, int warmUp) =>
        Math.Min(1, (step + 1.0) / warmUp) * (0.55 + (0.45 * Math.Cos(Math.PI * step / steps)));
}
