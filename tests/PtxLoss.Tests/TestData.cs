namespace PtxLosses.Tests;

/// <summary>Repeatable logits and targets.</summary>
internal static class TestData
{
    /// <summary>Normally distributed logits, around <paramref name="offset"/>.</summary>
    public static float[] Logits(int count, int seed, double spread = 3, double offset = 0)
    {
        var random = new Random(seed);
        float[] logits = new float[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            logits[i] = (float)(offset + (spread * radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        return logits;
    }

    /// <summary>What a gradient is added to: small numbers, and one in a hundred that shows an overflow.</summary>
    public static TLogit[] EarlierGradient<TLogit>(int count, int seed)
        where TLogit : unmanaged
    {
        double[] special = [double.PositiveInfinity, double.NegativeInfinity, double.NaN];
        var random = new Random(seed);
        return [.. Logits(count, seed, spread: 0.1).Select(x => ElementConvert.FromDouble<TLogit>(random.Next(100) == 0 ? special[random.Next(3)] : x))];
    }

    public static int[] Targets(int tokens, int vocabularySize, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(vocabularySize))];
    }

    /// <summary>A row whose softmax is almost that of its first id alone: all others together have 8e-8.</summary>
    public static double[] AlmostSure => [21.875, .. new double[256]];

    public static double[] ToDouble(float[] values) => [.. values.Select(value => (double)value)];
}
