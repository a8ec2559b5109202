namespace PtxLosses.Samples.Mpi;

internal enum FaultKind
{
    /// <summary>The rank throws an exception while the others wait for it.</summary>
    Throws,

    /// <summary>The rank leaves without a word.</summary>
    Exits,

    /// <summary>The rank believes in another slice of the vocabulary than the others.</summary>
    Shape,

    /// <summary>The rank has a micro-batch of another length than the other shards of its replica.</summary>
    Batch,
}

/// <summary>
/// A failure on purpose: what happens in a job when one of its ranks fails is worth seeing before it happens.
/// </summary>
internal sealed record Fault(int Rank, FaultKind Kind)
{
    /// <summary>The second step: the first one shows that the job runs.</summary>
    private const int Step = 2;

    /// <summary>Why it cannot happen in such a job, or null.</summary>
    public string? Misfit(int ranks, int shards, int steps) =>
        Rank >= ranks ? $"--fault has rank {Rank}, but the last one is {ranks - 1}."
        : Kind != FaultKind.Shape && steps < Step ? $"--fault happens in step {Step}, but --steps is {steps}."
        : Kind == FaultKind.Batch && shards == 1 ? "--fault with batch needs --shards of 2 or more, for one to differ from another."
        : null;

    /// <summary>Where the logits of a step are there and their loss is not.</summary>
    public void MayLeave(int rank, int step)
    {
        if (rank != Rank || step != Step)
        {
            return;
        }

        switch (Kind)
        {
            case FaultKind.Throws:
                throw new InvalidOperationException($"--fault {Rank}:throws, in step {Step}");
            case FaultKind.Exits:
                Environment.Exit(3);
                break;
        }
    }

    public VocabularySlice MayMove(int rank, VocabularySlice slice) =>
        rank == Rank && Kind == FaultKind.Shape ? slice with { Start = slice.Start + 1 } : slice;

    public void MayCut(int rank, int step, MicroBatch[] batches)
    {
        if (rank == Rank && step == Step && Kind == FaultKind.Batch)
        {
            batches[0] = new MicroBatch(batches[0].Tokens[1..], batches[0].Targets[1..]);
        }
    }
}
