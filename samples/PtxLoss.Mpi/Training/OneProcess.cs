namespace PtxLosses.Samples.Mpi;

/// <summary>
/// What the ranks must come to, computed by one of them alone: the whole model and the whole step's text as one batch, in
/// one call of PtxLoss. It holds all logits even where the ranks hold none, and so shares less with them. It starts from the
/// same weights.
/// </summary>
internal sealed class OneProcess
{
    private readonly PtxLossOptions _options;
    private readonly int _context;
    private readonly Parameters _trunk;
    private readonly Transformer _transformer;
    private readonly Matrix _logits;

    public OneProcess(TrainingSettings settings, ModelShape shape, int sequences)
    {
        _options = new PtxLossOptions { ZLossCoefficient = settings.ZLossCoefficient };
        _context = shape.Context;
        _trunk = new Parameters(shape);
        _trunk.Initialize(new Random(settings.Seed));
        TrunkGradient = new Parameters(shape);
        Output = new OutputLayer(new VocabularySlice(0, shape.Vocabulary), shape.Width, settings.Seed);
        _transformer = new Transformer(shape, sequences, shape.Context);
        _logits = new Matrix(_transformer.Rows, shape.Vocabulary);
    }

    public Parameters TrunkGradient { get; }

    public OutputLayer Output { get; }

    /// <summary>Why a step is too large to be checked, or null: all of its logits have to fit one array.</summary>
    public static string? Misfit(ModelShape shape, int sequences)
    {
        long logits = (long)sequences * shape.Context * shape.Vocabulary;
        return logits <= Array.MaxLength
            ? null
            : $"One process cannot hold the {logits} logits of a step: take fewer --micro-batches, or a smaller --vocabulary.";
    }

    public PtxLossResult ComputeGradient(IReadOnlyList<MicroBatch> step)
    {
        MicroBatch batch = MicroBatch.Concat(step, _context);
        _transformer.Forward(_trunk, batch.Tokens);
        Output.Forward(_transformer.Hidden, _logits);
        PtxLossResult loss = PtxLoss.ComputeWithGradient(
            rlLoss: 0, _logits.Span, batch.Targets, _logits.Columns, TrainingSettings.PtxCoefficient, _logits.Span, _options);
        Output.Backward(_logits, _transformer.Hidden, _transformer.HiddenGradient);
        _transformer.Backward(_trunk, TrunkGradient);
        return loss;
    }

    public void GoOnFrom(Parameters trunk, Matrix output)
    {
        trunk.Values.CopyTo(_trunk.Values, 0);
        output.Span.CopyTo(Output.Weight.Span);
    }

    /// <summary>Uses up the gradients.</summary>
    public void Update()
    {
        GradientDescent.Step(_trunk.Values, TrunkGradient.Values, TrainingSettings.LearningRate);
        GradientDescent.Step(Output.Weight.Span, Output.Gradient.Span, TrainingSettings.LearningRate);
    }
}
