using System.Runtime.InteropServices;

namespace PtxLosses.Samples.Mpi;

/// <summary>
/// What the ranks must have alike. A rank with another count of anything would leave the others waiting for ever, or add
/// numbers to others that they do not belong to; so they compare first, and every rank comes to the same verdict.
/// </summary>
internal static class Agreement
{
    /// <exception cref="JobException">Ranks were started with different options, or cannot be split as these say.</exception>
    public static void OnSettings(Communicator world, TrainingSettings settings)
    {
        RequireEqual(world, "--shards", settings.Shards);
        RequireEqual(world, "--steps", settings.Steps);
        RequireEqual(world, "--micro-batches", settings.MicroBatches);
        RequireEqual(world, "--seed", settings.Seed);
        long coefficient = BitConverter.DoubleToInt64Bits(settings.ZLossCoefficient);
        RequireEqual(world, "--z-loss", coefficient, bits => $"{BitConverter.Int64BitsToDouble(bits)}");
        RequireEqual(world, "--hidden", settings.FromHidden ? 1 : 0, given => given == 0 ? "not given" : "given");
        if (world.Size % settings.Shards != 0)
        {
            string ranks = Report.Counted(world.Size, "rank"), shards = Report.Counted(settings.Shards, "shard");
            throw new JobException(0, $"{ranks} cannot be replicas of {shards} each: it takes a multiple of --shards.");
        }
    }

    /// <summary>
    /// A problem of one rank alone, such as a file that is not there, ends the job before the others wait for it.
    /// </summary>
    public static void OnSuccess(Communicator world, string? problem)
    {
        int first = Array.FindIndex(world.AllGather([problem is null ? 0 : 1]), failed => failed[0] != 0);
        if (first >= 0)
        {
            throw new JobException(first, problem ?? $"rank {first} failed");
        }
    }

    /// <exception cref="JobException">Ranks have read different texts, or their slices do not make up the vocabulary.</exception>
    public static void OnModel(
        Communicator world, TrainingSettings settings, ModelShape shape, TokenizedText text, VocabularySlice slice)
    {
        RequireEqual(world, "The vocabulary", shape.Vocabulary);
        RequireEqual(world, "The width of the model", shape.Width);
        RequireEqual(world, "The number of layers", shape.Layers);
        RequireEqual(world, "The length of a sequence", shape.Context);
        RequireEqual(world, "The text", text.Documents.Aggregate(0L, Hash), hash => $"hash {hash:x16}");
        long[][] slices = world.AllGather([slice.Start, slice.Length]);
        for (int rank = 0; rank < world.Size; rank++)
        {
            bool first = rank % settings.Shards == 0, last = (rank + 1) % settings.Shards == 0;
            long start = slices[rank][0], end = start + slices[rank][1];
            long expected = first ? 0 : slices[rank - 1].Sum();
            if (start != expected)
            {
                string before = first ? "the vocabulary starts at 0" : $"those of rank {rank - 1} end before {expected}";
                throw new JobException(first ? rank : rank - 1, $"The ids of rank {rank} start at {start}, but {before}.");
            }

            if (last ? end != shape.Vocabulary : end <= start)
            {
                string shards = Report.Counted(settings.Shards, "shard");
                throw new JobException(
                    rank, $"The ids of rank {rank} are [{start}, {end}), of {shape.Vocabulary} in {shards}.");
            }
        }
    }

    /// <summary>
    /// The shards of each replica read the same micro-batches; with what that takes comes what each token counts.
    /// </summary>
    /// <returns>How many tokens count in all micro-batches of all replicas: what the mean of the step divides by.</returns>
    /// <exception cref="JobException">Shards of a replica have other tokens or targets than its first one.</exception>
    public static long OnStep(Grid grid, int step, IReadOnlyList<MicroBatch> batches)
    {
        long[] mine =
        [
            (long)batches.Sum(batch => PtxLoss.Denominator(batch.Targets)),
            .. batches.Select(batch => (long)batch.Targets.Length),
            .. batches.Select(batch => Hash(Hash(0, batch.Tokens), batch.Targets)),
        ];
        long[][] all = grid.World.AllGather(mine);
        for (int rank = 0; rank < all.Length; rank++)
        {
            int first = rank / grid.Shards * grid.Shards;
            for (int batch = 0; batch < batches.Count; batch++)
            {
                long length = all[rank][1 + batch], expected = all[first][1 + batch];
                if (length != expected)
                {
                    throw new JobException(first, Disagreement($"has {length} tokens", $"has {expected}"));
                }

                if (all[rank][1 + batches.Count + batch] != all[first][1 + batches.Count + batch])
                {
                    throw new JobException(first, Disagreement("has other text", "is a shard of the same replica"));
                }

                string Disagreement(string has, string expects) =>
                    $"In step {step}, micro-batch {batch + 1}, rank {rank} {has}, but rank {first} {expects}.";
            }
        }

        return all.Where((_, rank) => rank % grid.Shards == 0).Sum(replica => replica[0]);
    }

    private static void RequireEqual(Communicator world, string name, long value, Func<long, string>? show = null)
    {
        long[] values = [.. world.AllGather([value]).Select(gathered => gathered[0])];
        if (values.Distinct().Count() > 1)
        {
            IEnumerable<string> parts =
                from rank in Enumerable.Range(0, world.Size)
                group rank by values[rank] into ranks
                let shown = show is null ? $"{ranks.Key}" : show(ranks.Key)
                select $"{shown} on {(ranks.Count() > 1 ? "ranks" : "rank")} {string.Join(", ", ranks)}";
            throw new JobException(0, $"{name} must be the same everywhere, but is {string.Join(" and ", parts)}.");
        }
    }

    /// <summary>FNV-1a over 64 bits; the runtime's own hashes differ from process to process.</summary>
    private static long Hash(long hash, int[] ids)
    {
        ulong state = (ulong)hash ^ 0xCBF29CE484222325;
        foreach (byte part in MemoryMarshal.AsBytes(ids.AsSpan()))
        {
            state = unchecked((state ^ part) * 0x100000001B3);
        }

        return unchecked((long)state);
    }
}
