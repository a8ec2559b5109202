namespace PtxLosses.Samples.Mpi;

/// <summary>The ids that one shard holds: <paramref name="Length"/> of them, from <paramref name="Start"/> on.</summary>
internal readonly record struct VocabularySlice(int Start, int Length)
{
    /// <summary>
    /// Slices that tile the vocabulary and differ in length, as S : S + 1 : … : 2S − 1. Equal ones would be faster; these
    /// show that nothing depends on it.
    /// </summary>
    public static VocabularySlice Of(int shard, int shards, int vocabulary)
    {
        int start = Boundary(shard);
        return new VocabularySlice(start, Boundary(shard + 1) - start);

        int Boundary(int before) => (int)((long)vocabulary * Parts(before) / Parts(shards));

        long Parts(int before) => ((long)shards * before) + ((long)before * (before - 1) / 2);
    }
}
