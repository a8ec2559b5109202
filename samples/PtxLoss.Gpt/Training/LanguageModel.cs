namespace PtxLosses.Samples.Gpt;

/// <summary>Small GPTs over GPT-2's vocabulary.</summary>
/// <param name="lossLayer">What all of them are read and trained with.</param>
internal sealed class LanguageModel(ILossLayer lossLayer) : ILanguageModel<GptPolicy>
{
    public ITokenizer Tokenizer { get; } = new Gpt2Tokenizer();

    public ExperimentScale Scale { get; } = new(
        Context: 64,
        TextBatch: 16,
        RolloutBatch: 32,
        UpdatesPerRollout: 2,
        PointsPerCurve: 5,
        EvaluationRollouts: 1,
        HeldOutDocuments: 150);

    public GptPolicy Create(int seed)
    {
        torch.manual_seed(seed);
        return new GptPolicy(new GptModel(new GptShape(Tokenizer.VocabularySize, Scale.Context)), lossLayer);
    }

    public IPretraining Pretrain(GptPolicy policy, int steps) => new Pretraining(policy, steps);

    public IFineTuning FineTune(GptPolicy pretrained, PtxTerm term) => new FineTuning(pretrained.Clone(), term.Gamma);
}
