namespace PtxLosses.Tests;

/// <summary>Hidden states and the weight of a last layer, with what the reference says of the logits they make.</summary>
internal sealed class HeadProblem
{
    private const float BetweenRows = 77;

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

    public double Coefficient { get; init; } = 1;

    public PtxLossOptions Options { get; init; } = PtxLossOptions.Default;

    public float[] TokenWeights { get; init; } = [];

    /// <summary>Elements between rows of whatever has rows.</summary>
    public int Gap { get; init; }

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
        => ScalarReference.Compute<double, int>(0.5, Logits(), Targets, VocabularySize, Coefficient, Options, TokenWeights);

    /// <summary>Where everything lies.</summary>
    public Memories Memories { get; init; } = new ArrayMemories();

    private Layout OfTokens => Rows(Tokens);

    private Layout OfVocabulary => Rows(VocabularySize);

    public PtxLossResult Loss()
        => PtxLoss.ComputeFromHidden<float, int>(
            0.5,
            OfTokens.Over(PlaceHidden()),
            OfVocabulary.Over(PlaceWeight()),
            Memories.ToRead(Targets).Span,
            Coefficient,
            Options,
            Memories.ToRead(Bias).Span,
            Memories.ToRead(TokenWeights).Span);

    public Gradients WithGradient(float initial = 0)
    {
        Memory<float> hidden = Place(OfTokens, Filled(Hidden.Length)), weight = Place(OfVocabulary, Filled(Weight.Length));
        Memory<float> bias = Memories.ToWrite(Filled(VocabularySize));
        PtxLossResult result = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0.5,
            OfTokens.Over(PlaceHidden()),
            OfVocabulary.Over(PlaceWeight()),
            Memories.ToRead(Targets).Span,
            Coefficient,
            new() { Hidden = OfTokens.Over(hidden), Weight = OfVocabulary.Over(weight), Bias = bias.Span },
            Options,
            Memories.ToRead(Bias).Span,
            Memories.ToRead(TokenWeights).Span);
        Memories.Reveal();
        (OfTokens.GapsAre<float>(hidden, BetweenRows) && OfVocabulary.GapsAre<float>(weight, BetweenRows)).Should().BeTrue("gaps are left alone");
        return new(result, OfTokens.Gather<float>(hidden), OfVocabulary.Gather<float>(weight), bias.ToArray());

        float[] Filled(int length) => [.. Enumerable.Repeat(initial, length)];
        Memory<float> Place(Layout layout, float[] values) => Memories.ToWrite(layout.Scatter(values, BetweenRows));
    }

    /// <summary>The gradients, in double, that follow from those of the logits; and, of the same shape, what their errors are in proportion to.</summary>
    public (double[] Hidden, double[] Weight, double[] Bias) Backward(Func<int, double> gradientOfLogit, bool ofMagnitudes = false)
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

    private Memory<float> PlaceWeight() => Memories.ToRead(OfVocabulary.Scatter(Weight, BetweenRows));

    private Memory<float> PlaceHidden()
    {
        Memory<float> hidden = Memories.ToRead(OfTokens.Scatter(Hidden, BetweenRows));
        for (int token = 0; token < Tokens; token++)
        {
            if (Targets[token] == Options.IgnoreIndex || (TokenWeights.Length > 0 && TokenWeights[token] == 0))
            {
                Memories.Hide<float>(hidden.Slice(token * (HiddenSize + Gap), HiddenSize));
            }
        }

        return hidden;
    }

    /// <summary>Tensors want 0 where there is nothing to stride to.</summary>
    private Layout Rows(int rows) => new([rows, HiddenSize], [rows == 1 ? 0 : HiddenSize + Gap, HiddenSize == 1 ? 0 : 1]);

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
