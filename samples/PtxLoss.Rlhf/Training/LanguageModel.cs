namespace PtxLosses.Samples.Rlhf;

/// <summary>Small transformers over a vocabulary of their own text.</summary>
internal sealed class LanguageModel : ILanguageModel<Policy>
{
    private const int VocabularySize = 3072;

    private readonly ModelShape _shape;
    private readonly PolicyRunners _runners;
    private readonly int _topK;

    public LanguageModel(Corpus corpus, int topK)
    {
        var tokenizer = Rlhf.Tokenizer.Train(corpus.Training, VocabularySize);
        _shape = new ModelShape(tokenizer.VocabularySize);
        (Tokenizer, _topK) = (tokenizer, topK);
        Scale = new ExperimentScale(
            _shape.Context, TextBatch: 16, RolloutBatch: 64, UpdatesPerRollout: 2, PointsPerCurve: 10, EvaluationRollouts: 2);
        var text = new Transformer(_shape, Scale.TextBatch, _shape.Context);
        _runners = new PolicyRunners(new PtxReader(text), text, Sampler.CreateTransformer(_shape, Scale.RolloutBatch));
    }

    public ITokenizer Tokenizer { get; }

    public ExperimentScale Scale { get; }

    public Policy Create(int seed)
    {
        var parameters = new Parameters(_shape);
        parameters.Initialize(new Random(seed));
        return new Policy(_runners, parameters, _topK);
    }

    public IPretraining Pretrain(Policy policy, int steps) => new Pretraining(_runners.Reader, policy.Parameters, steps);

    public IFineTuning FineTune(Policy pretrained, PtxTerm term) => new FineTuning(
        _runners, pretrained.Clone(), term.Gamma, term.Targets == PtxTargets.Soft ? pretrained.Teacher : null);
}
