namespace PtxLosses.Tests;

/// <summary>What a reference is asked, all numbers exact.</summary>
/// <param name="Logits">[tokens × vocabulary].</param>
/// <param name="Targets">[tokens], or with soft targets [tokens × idsPerToken].</param>
/// <param name="VocabularySize">The length of a row.</param>
/// <param name="Options">The options, the ignored id among them; no part of the vocabulary.</param>
internal sealed record Question(double[] Logits, long[] Targets, int VocabularySize, PtxLossOptions Options)
{
    public double RlLoss { get; init; }
    public double Coefficient { get; init; } = 1;

    /// <summary>[tokens], or nothing.</summary>
    public float[] Weights { get; init; } = [];

    /// <summary>The targets per sequence, where they are shifted; 0: all are one.</summary>
    public int SequenceLength { get; init; }

    /// <summary>Those of soft targets, so many for each token; 0: targets are hard.</summary>
    public float[] Probabilities { get; init; } = [];
    public int IdsPerToken { get; init; }
}

/// <summary>Who says what a call must answer: the scalar reference, or another program.</summary>
internal class Referee
{
    public static Referee Scalar { get; } = new();

    public virtual IReference Answer(Question question) => ScalarReference.Compute<double, long>(
        question.RlLoss,
        question.Logits,
        question.Targets,
        question.VocabularySize,
        question.Coefficient,
        question.Options,
        question.Weights,
        question.SequenceLength,
        question.Probabilities,
        question.IdsPerToken);

    /// <summary>hidden · weightᵀ + bias, [tokens × vocabulary].</summary>
    public virtual double[] LogitsOf(HeadMatrix head) => [.. Enumerable.Range(0, head.Tokens).SelectMany(head.LogitsOf)];

    /// <summary>The gradients that follow from those of the logits, [tokens × vocabulary].</summary>
    public virtual (double[] Hidden, double[] Weight, double[] Bias) Backward(HeadMatrix head, double[] gradient)
    {
        int size = head.HiddenSize, ids = head.VocabularySize;
        double[] hidden = new double[head.Hidden.Length], weight = new double[head.Weight.Length], bias = new double[ids];
        for (int i = 0; i < gradient.Length; i++)
        {
            (int token, int id) = Math.DivRem(i, ids);
            bias[id] += gradient[i];
            for (int k = 0; k < size && gradient[i] != 0; k++)
            {
                hidden[(token * size) + k] += gradient[i] * head.WeightOf(id)[k];
                weight[(id * size) + k] += gradient[i] * head.HiddenOf(token)[k];
            }
        }

        return (hidden, weight, bias);
    }
}
