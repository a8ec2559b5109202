namespace PtxLosses.Samples;

internal static class LearningRateSchedule
{
    /// <summary>The part of the learning rate that a step takes: linear warm-up, and a cosine down to a tenth.</summary>
    public static double At(int step, int steps, int warmUp) =>
        Math.Min(1, (step + 1.0) / warmUp) * (0.55 + (0.45 * Math.Cos(Math.PI * step / steps)));
}
