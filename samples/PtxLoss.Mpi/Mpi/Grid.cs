namespace PtxLosses.Samples.Mpi;

/// <summary>
/// Replicas × shards: ranks that follow each other hold the shards of one replica, for it is they who exchange the most.
/// </summary>
internal sealed class Grid
{
    public Grid(Communicator world, int shards)
    {
        World = world;
        (Replica, Shard) = Math.DivRem(world.Rank, shards);
        ShardsOfReplica = world.Split(Replica);
        ReplicasOfShard = world.Split(Shard);
    }

    public Communicator World { get; }

    /// <summary>Ranks that read the same text, each with its slice of the vocabulary.</summary>
    public Communicator ShardsOfReplica { get; }

    /// <summary>Ranks that hold the same slice and read different text.</summary>
    public Communicator ReplicasOfShard { get; }

    public int Replica { get; }

    public int Shard { get; }

    public int Replicas => ReplicasOfShard.Size;

    public int Shards => ShardsOfReplica.Size;
}
