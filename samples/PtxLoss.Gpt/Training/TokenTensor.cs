namespace PtxLosses.Samples.Gpt;

internal static class TokenTensor
{
    /// <summary>Ids as the model wants them, [batch, tokens], of time-major ones.</summary>
    public static Tensor Create(ReadOnlySpan<int> timeMajor, int batch)
    {
        long[] ids = new long[timeMajor.Length];
        int tokens = timeMajor.Length / batch;
        for (int i = 0; i < ids.Length; i++)
        {
            ids[((i % batch) * tokens) + (i / batch)] = timeMajor[i];
        }

        return torch.tensor(ids, batch, tokens);
    }

    /// <summary>Values of sampled tokens, [batch, tokens], of time-major ones.</summary>
    public static Tensor Create(double[] timeMajor, int batch) =>
        torch.tensor(Array.ConvertAll(timeMajor, value => (float)value), timeMajor.Length / batch, batch).t();
}
