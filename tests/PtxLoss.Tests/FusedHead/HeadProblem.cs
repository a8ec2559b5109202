using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Hidden states and the weight of a last layer, with what the reference says of the logits they make.</summary>
internal sealed class HeadProblem
{
    public HeadProblem(int tokens, int hiddenSize, int vocabularySize, int seed, bool hasBias = false)
    {
        (Tokens, HiddenSize, VocabularySize) = (tokens, hiddenSize, vocabularySize);
        Hidden = TestData.Logits(tokens * hiddenSize, seed, spread: 1);
        Weight = TestData.Logits(vocabularySize * hiddenSize, seed + 1, spread: 2 / Math.Sqrt(hiddenSize));
        Bias = hasBias ? TestData.Logits(vocabularySize, seed + 2, spread: 1) : [];
        Targets = TestData.Targets(tokens, vocabularySize, seed + 3);
    }

    public int Tokens { get; }

    public int HiddenSize { get; }

    public int VocabularySize { get; }

    public float[] Hidden { get; }

    public float[] Weight { get; }

    public float[] Bias { get; }

    public int[] Targets { get; init; }

    public PtxLossOptions Options { get; init; } = PtxLossOptions.Default;

    public float[] TokenWeights { get; init; } = [];

    /// <summary>How far a logit of float arithmetic may be off, but for bad luck.</summary>
    public double LogitError
    {
        get
        {
            return 4 * Math.Pow(2, -24) * LongestRow(Hidden) * LongestRow(Weight);

            double LongestRow(float[] matrix) => matrix.Chunk(HiddenSize).Max(row => Math.Sqrt(row.Sum(x => (double)x * x)));
        }
    }

    /// <summary>hidden · weightᵀ + bias, in double.</summary>
    public double[] Logits()
    {
        double[] logits = new double[Tokens * VocabularySize];
        for (int i = 0; i < logits.Length; i++)
        {
            (int token, int id) = Math.DivRem(i, VocabularySize);
            logits[i] = Bias.Length == 0 ? 0 : Bias[id];
            for (int k = 0; k < HiddenSize; k++)
            {
                logits[i] += (double)Hidden[(token * HiddenSize) + k] * Weight[(id * HiddenSize) + k];
            }
        }

        return logits;
    }

    public ScalarReference Expected()
        => ScalarReference.Compute<double, int>(0.5, Logits(), Targets, VocabularySize, 1, Options, TokenWeights);

    private ReadOnlyTensorSpan<float> OfTokens => new(Hidden, [Tokens, HiddenSize]);

    private ReadOnlyTensorSpan<float> OfVocabulary => new(Weight, [VocabularySize, HiddenSize]);

    public PtxLossResult Loss()
        => PtxLoss.ComputeFromHidden<float, int>(0.5, OfTokens, OfVocabulary, Targets, 1, Options, Bias, TokenWeights);

    public Gradients WithGradient(float initial = 0)
    {
        float[] hidden = Filled(Hidden.Length), weight = Filled(Weight.Length), bias = Filled(VocabularySize);
        PtxLossResult result = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0.5,
            OfTokens,
            OfVocabulary,
            Targets,
            1,
            new()
            {
                Hidden = new TensorSpan<float>(hidden, [Tokens, HiddenSize]),
                Weight = new TensorSpan<float>(weight, [VocabularySize, HiddenSize]),
                Bias = bias,
            },
            Options,
            Bias,
            TokenWeights);
        return new(result, hidden, weight, bias);

        float[] Filled(int length) => [.. Enumerable.Repeat(initial, length)];
    }

    /// <summary>
    /// The gradients, in double, that follow from those of the logits; and, of the same shape, what their errors are in
    /// proportion to.
    /// </summary>
    public (double[] Hidden, double[] Weight, double[] Bias) Backward(
        Func<int, double> gradientOfLogit, bool ofMagnitudes = false)
    {
        double[] hidden = new double[Hidden.Length], weight = new double[Weight.Length], bias = new double[VocabularySize];
        for (int i = 0; i < Tokens * VocabularySize; i++)
        {
            (int token, int id) = Math.DivRem(i, VocabularySize);
            double gradient = gradientOfLogit(i);
            bias[id] += gradient;
            for (int k = 0; k < HiddenSize && gradient != 0; k++)
            {
                double h = Hidden[(token * HiddenSize) + k], w = Weight[(id * HiddenSize) + k];
                hidden[(token * HiddenSize) + k] += gradient * (ofMagnitudes ? Math.Abs(w) : w);
                weight[(id * HiddenSize) + k] += gradient * (ofMagnitudes ? Math.Abs(h) : h);
            }
        }

        return (hidden, weight, bias);
    }

    /// <summary>The gradients as plain products of floats give them: added up one by one.</summary>
    public (float[] Hidden, float[] Weight) FloatBackward(float[] gradient)
    {
        float[] hidden = new float[Hidden.Length], weight = new float[Weight.Length];
        for (int i = 0; i < gradient.Length; i++)
        {
            (int token, int id) = Math.DivRem(i, VocabularySize);
            for (int k = 0; k < HiddenSize; k++)
            {
                hidden[(token * HiddenSize) + k] += gradient[i] * Weight[(id * HiddenSize) + k];
                weight[(id * HiddenSize) + k] += gradient[i] * Hidden[(token * HiddenSize) + k];
            }
        }

        return (hidden, weight);
    }

    /// <summary>The logits as a plain product of floats gives them.</summary>
    public float[] FloatLogits()
    {
        float[] logits = new float[Tokens * VocabularySize];
        for (int i = 0; i < logits.Length; i++)
        {
            (int token, int id) = Math.DivRem(i, VocabularySize);
            for (int k = 0; k < HiddenSize; k++)
            {
                logits[i] += Hidden[(token * HiddenSize) + k] * Weight[(id * HiddenSize) + k];
            }
        }

        return logits;
    }

    public sealed record Gradients(PtxLossResult Result, float[] Hidden, float[] Weight, float[] Bias)
    {
        public void ShouldBeIdentical(Gradients other)
        {
            Result.Should().Be(other.Result);
            Hidden.ShouldBeIdentical(other.Hidden);
            Weight.ShouldBeIdentical(other.Weight);
            Bias.ShouldBeIdentical(other.Bias);
        }
    }
}
