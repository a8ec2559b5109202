using System.CommandLine;
using System.CommandLine.Parsing;

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
/// A failure on purpose: what becomes of a job when one of its ranks fails is worth seeing before it happens. The training calls
/// the methods that begin with May where it may happen.
/// </summary>
internal sealed record Fault(int Rank, FaultKind Kind)
{
    /// <summary>The second step: the first one shows that the job runs.</summary>
    private const int Step = 2;

    public static Option<Fault?> Option { get; } = new("--fault")
    {
        Description = "Lets a rank fail, to see what becomes of the job: throws or exits in the middle of step 2, "
            + "believes in another shape of the vocabulary, or has another micro-batch (batch) in step 2.",
        HelpName = "RANK:throws|exits|shape|batch",
        CustomParser = Parse,
    };

    /// <summary>Why it cannot happen in such a job, or null.</summary>
    public string? Misfit(int ranks, int shards, int steps) =>
        Rank >= ranks ? $"--fault has rank {Rank}, but the last one is {ranks - 1}."
        : Kind != FaultKind.Shape && steps < Step ? $"--fault happens in step {Step}, but --steps is {steps}."
        : Kind == FaultKind.Batch && shards == 1
            ? "--fault with batch needs --shards of 2 or more, for one to differ from another."
        : null;

    /// <summary>Where the other shards are about to wait for what this one says of the loss.</summary>
    public void MayLeave(int rank, int step)
    {
        if (Happens(FaultKind.Throws, rank, step))
        {
            throw new InvalidOperationException($"--fault {Rank}:throws, in step {Step}");
        }

        if (Happens(FaultKind.Exits, rank, step))
        {
            Environment.Exit(3);
        }
    }

    public VocabularySlice MayMove(int rank, VocabularySlice slice) =>
        Happens(FaultKind.Shape, rank, Step) ? slice with { Start = slice.Start + 1 } : slice;

    public void MayCut(int rank, int step, MicroBatch[] batches)
    {
        if (Happens(FaultKind.Batch, rank, step))
        {
            batches[0] = new MicroBatch(batches[0].Tokens[1..], batches[0].Targets[1..]);
        }
    }

    private bool Happens(FaultKind kind, int rank, int step) => (kind, rank, step) == (Kind, Rank, Step);

    private static Fault? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        if (text.Split(':') is [var rank, var kind] && uint.TryParse(rank, out uint number) && number <= int.MaxValue
            && Enum.GetNames<FaultKind>().Contains(kind, StringComparer.OrdinalIgnoreCase))
        {
            return new Fault((int)number, Enum.Parse<FaultKind>(kind, ignoreCase: true));
        }

        argument.AddError($"--fault must be RANK:KIND with throws, exits, shape or batch as KIND, but is '{text}'.");
        return null;
    }
}
