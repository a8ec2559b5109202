using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>A scale is a factor of the logits, behind the cap, and so of their gradient.</summary>
public class LogitScaleTests
{
    private const int Tokens = 3;
    private static readonly int[] _targets = [1, -100, 6];

    public static TheoryData<int, double, double> Cases
    {
        get
        {
            var cases = new TheoryData<int, double, double>();
            foreach (int vocabularySize in new[] { 7, 300, 3000, 40_000 })
            {
                foreach (double scale in new[] { 2, 0.5, 1.0 / 3, 1.25 })
                {
                    cases.Add(vocabularySize, scale, 0);
                    cases.Add(vocabularySize, scale, 6);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Double_logits(int vocabularySize, double scale, double cap)
    {
        double[] logits = TestData.ToDouble(Logits(vocabularySize));
        Compare(
            logits,
            [.. logits.Select(x => Transformed(x, scale, cap))],
            scale,
            cap,
            loss: 1e-12,
            softmax: 1e-11,
            smallest: 1e-15);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Float_logits(int vocabularySize, double scale, double cap)
    {
        float[] logits = Logits(vocabularySize);
        Compare(
            logits, [.. logits.Select(x => Transformed(x, scale, cap))], scale, cap, loss: 1e-6, softmax: 2e-5, smallest: 1e-7);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Half_logits(int vocabularySize, double scale, double cap)
    {
        Half[] logits = [.. Logits(vocabularySize).Select(x => (Half)x)];
        Compare(
            logits,
            [.. logits.Select(x => Transformed((double)x, scale, cap))],
            scale,
            cap,
            loss: 1e-6,
            softmax: 1e-3,
            smallest: 1e-7);
    }

    [Fact]
    public void Every_output_is_that_of_scaled_logits()
    {
        double[] logits = TestData.ToDouble(Logits(300)), scaled = [.. logits.Select(x => 0.7 * x)];
        double[][] actual = Outputs(logits, new() { LogitScale = 0.7 }), expected = Outputs(scaled, new());

        for (int i = 0; i < actual.Length; i++)
        {
            Closeness.ShouldBeClose(actual[i], expected[i], _ => 1e-12);
        }

        static double[][] Outputs(double[] logits, PtxLossOptions options)
        {
            double[] loss = new double[Tokens], logSumExp = new double[Tokens], targetLogit = new double[Tokens];
            double[] entropy = new double[Tokens];
            int[] argMax = new int[Tokens];
            CrossEntropy.Forward(
                logits,
                _targets,
                300,
                new() { Loss = loss, LogSumExp = logSumExp, TargetLogit = targetLogit, Entropy = entropy, ArgMax = argMax },
                options);
            return [loss, logSumExp, targetLogit, entropy, [.. argMax.Select(id => (double)id)]];
        }
    }

    [Fact]
    public void From_hidden_states_it_is_a_factor_of_the_weight()
    {
        var problem = new HeadProblem(6, 16, 300, seed: 8);
        float[] half = [.. problem.Weight.Select(w => w / 2)], gradient = new float[half.Length], ofHalf = new float[half.Length];
        var hidden = new ReadOnlyTensorSpan<float>(problem.Hidden, [6, 16]);

        PtxLossResult scaled = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            hidden,
            new ReadOnlyTensorSpan<float>(problem.Weight, [300, 16]),
            problem.Targets,
            1,
            new() { Weight = new TensorSpan<float>(gradient, [300, 16]) },
            new() { LogitScale = 0.5 });
        PtxLossResult expected = PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            hidden,
            new ReadOnlyTensorSpan<float>(half, [300, 16]),
            problem.Targets,
            1,
            new() { Weight = new TensorSpan<float>(ofHalf, [300, 16]) });

        scaled.Total.ShouldBeTheLoss(expected.Total);
        Closeness.ShouldBeClose(
            TestData.ToDouble(gradient), [.. ofHalf.Select(g => g / 2.0)], i => (1e-4 * Math.Abs(gradient[i])) + 1e-8);
    }

    private static float[] Logits(int vocabularySize)
    {
        float[] logits = TestData.Logits(Tokens * vocabularySize, seed: vocabularySize, spread: 4);
        logits[2] = float.NegativeInfinity;
        return logits;
    }

    private static double Transformed(double x, double scale, double cap)
        => scale * (cap == 0 || double.IsInfinity(x) ? x : cap * Math.Tanh(x / cap));

    /// <summary>Compares with the loss and the gradient of logits that are capped and scaled beforehand, in double.</summary>
    private static void Compare<TLogit>(
        TLogit[] logits, double[] transformed, double scale, double cap, double loss, double softmax, double smallest)
        where TLogit : unmanaged
    {
        int vocabularySize = logits.Length / Tokens;
        foreach (PtxLossOptions others in new PtxLossOptions[]
        {
            new(), new() { ZLossCoefficient = 0.01 }, new() { LabelSmoothing = 0.1 },
        })
        {
            PtxLossOptions options = others with { LogitScale = scale, LogitSoftCap = cap };
            TLogit[] gradient = new TLogit[logits.Length], inPlace = [.. logits];
            double[] expectedGradient = new double[logits.Length];

            PtxLossResult expected = PtxLoss.ComputeWithGradient(
                0.5, transformed, _targets, vocabularySize, 2, expectedGradient, others);
            PtxLossResult result = PtxLoss.ComputeWithGradient(0.5, logits, _targets, vocabularySize, 2, gradient, options);

            PtxLoss.Compute(0.5, logits, _targets, vocabularySize, 2, options).Should().Be(result);
            PtxLoss.ComputeWithGradient(0.5, inPlace, _targets, vocabularySize, 2, inPlace, options).Should().Be(result);
            Closeness.ShouldBeClose(
                [result.LanguageModelLoss, result.ZLoss, result.Total],
                [expected.LanguageModelLoss, expected.ZLoss, expected.Total],
                i => loss * (1 + (i == 0 ? 0 : 50)));
            double[] chained = [.. expectedGradient.Select((g, i) => g * scale * Slope(ElementConvert.ToDouble(logits[i])))];
            foreach (TLogit[] actual in new[] { gradient, inPlace })
            {
                Closeness.ShouldBeClose(
                    [.. actual.Select(ElementConvert.ToDouble)],
                    chained,
                    i => (softmax * (Math.Abs(chained[i]) + (2 * scale * others.LabelSmoothing / vocabularySize)))
                        + (smallest * scale));
            }
        }

        double Slope(double x) => cap == 0 || double.IsInfinity(x) ? 1 : 1 - Math.Pow(Math.Tanh(x / cap), 2);
    }
}
