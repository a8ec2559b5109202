using System.Diagnostics;

namespace PtxLosses.Samples.Mpi;

/// <summary>The steps of all ranks, and on rank 0 beside each of them the same step of one process.</summary>
internal sealed class Training
{
    /// <summary>
    /// After so many steps the one process goes on from the ranks' weights. Training magnifies differences by rounding, a
    /// thousandfold in some 30 steps at this learning rate, until a comparison would show nothing else.
    /// </summary>
    private const int StepsAlone = 5;

    private readonly TrainingSettings _settings;
    private readonly Grid _grid;
    private readonly ModelShape _shape;
    private readonly VocabularySlice[] _slices;
    private readonly StepTexts _texts;
    private readonly ShardedModel _model;
    private readonly OneProcess? _oneProcess;
    private readonly Matrix _whole;
    private readonly string _source;

    /// <exception cref="JobException">The ranks do not fit each other.</exception>
    public Training(TrainingSettings settings, Communicator world)
    {
        _settings = settings;
        Agreement.OnSettings(world, settings);
        Agreement.OnSuccess(world, settings.Fault?.Misfit(world.Size, settings.Shards, settings.Steps));
        (_source, TokenizedText text, int vocabulary) = ReadText(settings, world);
        _shape = new ModelShape(vocabulary);
        _slices =
        [
            .. Enumerable.Range(0, settings.Shards).Select(shard => VocabularySlice.Of(shard, settings.Shards, vocabulary)),
        ];
        VocabularySlice mine = _slices[world.Rank % settings.Shards];
        mine = settings.Fault?.MayMove(world.Rank, mine) ?? mine;
        Agreement.OnModel(world, settings, _shape, text, mine);

        int sequences = world.Size / settings.Shards * settings.MicroBatches * TrainingSettings.SequencesPerMicroBatch;
        Agreement.OnSuccess(world, OneProcess.Misfit(_shape, sequences));

        _grid = new Grid(world, settings.Shards);
        _texts = new StepTexts(text, settings.Steps, _grid.Replicas, settings.MicroBatches);
        _model = new ShardedModel(settings, _grid, _shape, mine);
        if (world.Rank == 0)
        {
            _oneProcess = new OneProcess(settings, _shape, sequences);
            _whole = new Matrix(vocabulary, _shape.Width);
        }
    }

    /// <summary>Returns whether every step was that of one process.</summary>
    public bool Run(TextWriter output)
    {
        var report = new Report(output);
        report.WriteHeader(_source, _settings, _shape, _grid, _slices);
        bool within = true;
        long positions = 0;
        for (int step = 1; step <= _settings.Steps; step++)
        {
            MicroBatch[] batches = _texts.Of(step, _grid.Replica);
            positions += batches.Sum(batch => batch.Targets.Length);
            _settings.Fault?.MayCut(_grid.World.Rank, step, batches);

            if (step > 1 && (step - 1) % StepsAlone == 0)
            {
                Gather(_model.Output.Weight);
                _oneProcess?.GoOnFrom(_model.Trunk, _whole);
            }

            // All start together: otherwise, what they wait for rank 0 and its comparison would count as exchange.
            _grid.World.Barrier();
            long start = Stopwatch.GetTimestamp();
            TimeSpan exchangedBefore = _model.LossExchange.Elapsed;
            long stepTokens = Agreement.OnStep(_grid, step, batches);
            PtxLossResult loss = _model.ComputeGradient(step, batches, stepTokens);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start), exchanged = _model.LossExchange.Elapsed - exchangedBefore;
            double[] seconds = [elapsed.TotalSeconds, exchanged.TotalSeconds];
            _grid.World.AllReduceMax(seconds);

            Gather(_model.Output.Gradient);
            if (_oneProcess is not null)
            {
                PtxLossResult expected = _oneProcess.ComputeGradient(_texts.Of(step));
                var comparison = Comparison.Of(loss, expected, _model.TrunkGradient.Values, _whole.Span, _oneProcess);
                within &= comparison.IsWithin;
                report.WriteStep(step, loss, expected, comparison, seconds[0], seconds[1]);
                _oneProcess.Update();
            }

            _model.Update();
        }

        double[] bytes =
        [
            (double)_model.LossExchange.Bytes / positions,
            (double)_model.HiddenExchange.Bytes / positions,
            (double)_model.ReplicaExchange.Bytes / _settings.Steps,
        ];
        _grid.World.AllReduceMax(bytes);
        report.WriteTraffic(bytes[0], bytes[1], bytes[2]);
        return within;
    }

    /// <summary>Every rank reads it: the text is small, and its tokens are what they must agree on.</summary>
    private static (string Source, TokenizedText Text, int Vocabulary) ReadText(TrainingSettings settings, Communicator world)
    {
        Corpus? corpus = null;
        string? problem = null;
        try
        {
            corpus = Corpus.Load(settings.CorpusFile);
        }
        catch (CorpusException failed)
        {
            problem = failed.Message;
        }

        Agreement.OnSuccess(world, problem);
        string[] documents = [.. corpus!.Training];
        new Random(settings.Seed).Shuffle(documents);
        var tokenizer = Tokenizer.Train(documents, settings.Vocabulary);
        var text = new TokenizedText(documents, tokenizer, new ModelShape(tokenizer.VocabularySize).Context);
        return (corpus.Source, text, tokenizer.VocabularySize);
    }

    /// <summary>
    /// The whole of what the ranks have slices of, on rank 0: those of the first replica, for all have the same.
    /// </summary>
    private void Gather(Matrix slice)
    {
        if (_grid.Replica == 0)
        {
            int[] counts = [.. _slices.Select(ids => ids.Length * _shape.Width)];
            _grid.ShardsOfReplica.Gather(slice.Span, counts, _whole.Span);
        }
    }
}
