namespace PtxLosses.Tests;

/// <summary>
/// Soft targets as they are drawn: in order or not, some ids twice, some places unused, some tokens without any.
/// </summary>
internal static class SoftDraw
{
    /// <param name="random">Draws.</param>
    /// <param name="tokens">How many tokens.</param>
    /// <param name="idsPerToken">How many ids each has.</param>
    /// <param name="ids">How many ids there are.</param>
    /// <param name="ignored">What stands in a place that is not used; none where every place is.</param>
    public static long[] Ids(Random random, int tokens, int idsPerToken, long ids, long? ignored)
    {
        return [.. Enumerable.Range(0, tokens).SelectMany(_ => IdsOfToken())];

        long[] IdsOfToken()
        {
            bool hasNone = ignored.HasValue && random.Next(5) == 0, hasGaps = ignored.HasValue && random.Next(2) == 0;
            long[] drawn = [.. Enumerable.Range(0, idsPerToken).Select(
                _ => hasNone || (hasGaps && random.Next(4) == 0) ? ignored!.Value : random.NextInt64(ids))];
            if (random.Next(2) == 0)
            {
                Array.Sort(drawn);
            }

            return drawn;
        }
    }

    /// <summary>
    /// A probability for each id, which add up to about 1 or to ten times as much: some are 0, as are most of those that the
    /// model cannot have. What is in unused places is no number.
    /// </summary>
    public static float[] Probabilities(Random random, long[] ids, int idsPerToken, long? ignored, Func<int, long, bool> isMasked)
    {
        float size = random.Next(5) == 0 ? 20f / idsPerToken : 2f / idsPerToken;
        return [.. ids.Select(
            (id, i) => id == ignored ? float.NaN : IsZero(i / idsPerToken, id) ? 0 : size * random.NextSingle())];

        bool IsZero(int token, long id) => isMasked(token, id) ? random.Next(50) != 0 : random.Next(6) == 0;
    }

    /// <summary>Q of a token.</summary>
    public static double SumOf(ReadOnlySpan<long> ids, ReadOnlySpan<float> probabilities, long? ignored)
    {
        double sum = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            sum += ids[i] == ignored ? 0 : probabilities[i];
        }

        return sum;
    }
}
