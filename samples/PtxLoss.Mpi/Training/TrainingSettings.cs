namespace PtxLosses.Samples.Mpi;

/// <param name="CorpusFile">Null for the documentation of the SDK.</param>
/// <param name="Shards">Slices of the vocabulary; as many ranks make a replica.</param>
/// <param name="Steps">Steps of training.</param>
/// <param name="MicroBatches">Of each replica in each step.</param>
/// <param name="Vocabulary">Ids of the tokenizer; fewer if the text does not give so many.</param>
/// <param name="Seed">Of the weights and of the order of the documents.</param>
/// <param name="ZLossCoefficient">β.</param>
/// <param name="FromHidden">Whether the ranks go from hidden states to the loss without logits in memory.</param>
/// <param name="Fault">What goes wrong on purpose, or null.</param>
internal sealed record TrainingSettings(
    string? CorpusFile,
    int Shards,
    int Steps,
    int MicroBatches,
    int Vocabulary,
    int Seed,
    double ZLossCoefficient,
    bool FromHidden,
    Fault? Fault)
{
    public const int SequencesPerMicroBatch = 8;

    /// <summary>γ. The RL loss is left out here; were it 1, a gradient that forgot it would look right.</summary>
    public const double PtxCoefficient = 0.5;

    /// <summary>High for so few steps; w −= rate · γ · ∂(mean loss)/∂w.</summary>
    public const float LearningRate = 0.5f;
}
