namespace PtxLosses.Samples;

internal static class Advantages
{
    /// <summary>
    /// What a continuation earned from each token on, less the mean of the batch at the same position (the baseline), over the
    /// deviation of the whole batch.
    /// </summary>
    public static double[] Estimate(Rollout rollout)
    {
        int batch = rollout.Batch;
        double[] advantages = [.. rollout.Rewards];
        for (int row = advantages.Length - batch - 1; row >= 0; row--)
        {
            advantages[row] += advantages[row + batch];
        }

        double squares = 0;
        for (int first = 0; first < advantages.Length; first += batch)
        {
            double sum = 0;
            foreach (double value in advantages.AsSpan(first, batch))
            {
                sum += value;
            }

            foreach (ref double value in advantages.AsSpan(first, batch))
            {
                value -= sum / batch;
                squares += value * value;
            }
        }

        // A batch whose continuations all earn the same teaches nothing, and must not divide by zero.
        double deviation = Math.Max(Math.Sqrt(squares / advantages.Length), 1e-8);
        foreach (ref double value in advantages.AsSpan())
        {
            value /= deviation;
        }

        return advantages;
    }
}
