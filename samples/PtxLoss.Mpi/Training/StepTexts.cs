namespace PtxLosses.Samples.Mpi;

/// <summary>Time-major ids of a few sequences; targets of padding are ignored.</summary>
internal sealed record MicroBatch(int[] Tokens, int[] Targets)
{
    /// <summary>The sequences of all, as one batch.</summary>
    public static MicroBatch Concat(IReadOnlyList<MicroBatch> batches, int context) =>
        new(Concat(batches, batch => batch.Tokens, context), Concat(batches, batch => batch.Targets, context));

    /// <summary>Position by position, since the rows of one position belong together.</summary>
    private static int[] Concat(IReadOnlyList<MicroBatch> batches, Func<MicroBatch, int[]> ids, int context) =>
    [
        .. Enumerable.Range(0, context).SelectMany(position => batches.SelectMany(batch =>
        {
            int sequences = ids(batch).Length / context;
            return ids(batch)[(position * sequences)..((position + 1) * sequences)];
        })),
    ];
}

/// <summary>
/// The text of each step and replica: documents in random order, as many whole ones to a sequence as fit, the rest of it
/// padding. So no two micro-batches have the same count of tokens. Every rank has all of it: the shards of a replica read
/// the same.
/// </summary>
internal sealed class StepTexts
{
    private readonly MicroBatch[] _batches;
    private readonly int _replicas;
    private readonly int _perReplica;

    public StepTexts(TokenizedText text, int steps, int replicas, int perReplica)
    {
        (_replicas, _perReplica) = (replicas, perReplica);
        _batches =
        [
            .. text.Batches(TrainingSettings.SequencesPerMicroBatch)
                .Take((int)Math.Min(int.MaxValue, (long)steps * replicas * perReplica))
                .Select(batch => new MicroBatch(batch.Tokens, batch.Targets)),
        ];
    }

    /// <summary>After the last document comes the first again.</summary>
    public MicroBatch[] Of(int step, int replica)
    {
        long first = (((long)(step - 1) * _replicas) + replica) * _perReplica;
        return [.. Enumerable.Range(0, _perReplica).Select(index => _batches[(first + index) % _batches.Length])];
    }

    public MicroBatch[] Of(int step) => [.. Enumerable.Range(0, _replicas).SelectMany(replica => Of(step, replica))];
}
