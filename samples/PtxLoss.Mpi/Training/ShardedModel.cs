namespace PtxLosses.Samples.Mpi;

/// <summary>
/// One rank's part of the training: the transformer, which every rank has, and its slice of the output layer.
/// </summary>
internal sealed class ShardedModel
{
    private readonly TrainingSettings _settings;
    private readonly Grid _grid;
    private readonly Transformer _transformer;
    private readonly ShardedLoss _loss;

    public ShardedModel(TrainingSettings settings, Grid grid, ModelShape shape, VocabularySlice slice)
    {
        (_settings, _grid) = (settings, grid);
        Trunk = new Parameters(shape);
        Trunk.Initialize(new Random(settings.Seed));
        TrunkGradient = new Parameters(shape);
        Output = new OutputLayer(slice, shape.Width, settings.Seed);
        _transformer = new Transformer(shape, TrainingSettings.SequencesPerMicroBatch, shape.Context);
        IShard shard = settings.FromHidden ? new HiddenShard(Output, _transformer) : new LogitShard(Output, _transformer);
        _loss = new ShardedLoss(
            grid.ShardsOfReplica, slice, shard, _transformer.Rows, settings.ZLossCoefficient, LossExchange);
    }

    public Parameters Trunk { get; }

    public Parameters TrunkGradient { get; }

    public OutputLayer Output { get; }

    public Traffic LossExchange { get; } = new();

    public Traffic HiddenExchange { get; } = new();

    public Traffic ReplicaExchange { get; } = new();

    /// <summary>
    /// The loss of the whole step, and its gradient in <see cref="TrunkGradient"/> and <see cref="Output"/>: the same as if
    /// one process had read all micro-batches of all replicas at once.
    /// </summary>
    /// <param name="step">Counted from 1.</param>
    /// <param name="batches">What this replica reads in it.</param>
    /// <param name="stepTokens">How many tokens count in all micro-batches of all replicas.</param>
    public PtxLossResult ComputeGradient(int step, IReadOnlyList<MicroBatch> batches, long stepTokens)
    {
        var owned = new PtxLossAccumulator();
        double tokenScale = stepTokens == 0 ? 0 : TrainingSettings.PtxCoefficient / stepTokens;
        foreach (MicroBatch batch in batches)
        {
            _transformer.Forward(Trunk, batch.Tokens);
            _settings.Fault?.MayLeave(_grid.World.Rank, step);
            _loss.Forward(batch.Targets, owned);
            _loss.Backward(batch.Targets, tokenScale);

            // Every id pulls at the hidden states, those of other shards too. This is the model's exchange, not the loss's.
            _grid.ShardsOfReplica.AllReduceSum(_transformer.HiddenGradient.Span, HiddenExchange);
            _transformer.Backward(Trunk, TrunkGradient);
        }

        _grid.ReplicasOfShard.AllReduceSum(TrunkGradient.Values, ReplicaExchange);
        _grid.ReplicasOfShard.AllReduceSum(Output.Gradient.Span, ReplicaExchange);
        return SumOverRanks(step, owned, stepTokens);
    }

    /// <summary>Uses up the gradients.</summary>
    public void Update()
    {
        GradientDescent.Step(Trunk.Values, TrunkGradient.Values, TrainingSettings.LearningRate);
        GradientDescent.Step(Output.Weight.Span, Output.Gradient.Span, TrainingSettings.LearningRate);
    }

    /// <summary>
    /// Replicas and shards alike: each token is in the sum of one rank, that of its replica that owns its target.
    /// </summary>
    private PtxLossResult SumOverRanks(int step, PtxLossAccumulator owned, long stepTokens)
    {
        double[] sums = [owned.LossSum, owned.TokenCount, owned.ZLossSum];
        _grid.World.AllReduceSum(sums);
        if (sums[1] != stepTokens)
        {
            throw new JobException(
                speaker: 0, $"step {step} has {stepTokens} tokens that count, but the shards own the targets of {sums[1]}");
        }

        var whole = new PtxLossAccumulator();
        whole.Add(
            sums[0], sums[1], sums[2], stepTokens, options: new PtxLossOptions { ZLossCoefficient = _settings.ZLossCoefficient });
        return whole.ToResult(rlLoss: 0, TrainingSettings.PtxCoefficient);
    }
}
