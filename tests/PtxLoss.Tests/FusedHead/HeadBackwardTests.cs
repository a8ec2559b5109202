using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Values and gradients per token from hidden states.</summary>
public class HeadBackwardTests
{
    private const int Tokens = 4, HiddenSize = 3, VocabularySize = 7;
    private static readonly int[] _targets = [3, 6, -100, 0];
    private static readonly double[] _ofLoss = [0.7, -1.5, double.NaN, 0.4], _ofLogSumExp = [-0.3, 0.8, double.NaN, 0];
    private static readonly double[] _ofEntropy = [0.6, -0.9, double.NaN, 0.5];
    private readonly float[] _hidden = TestData.Logits(Tokens * HiddenSize, seed: 1, spread: 1);
    private readonly float[] _weight = TestData.Logits(VocabularySize * HiddenSize, seed: 2, spread: 1);
    private readonly float[] _bias = TestData.Logits(VocabularySize, seed: 3, spread: 1);

    public static TheoryData<PtxLossOptions> Options =>
    [
        new PtxLossOptions(),
        new PtxLossOptions { LabelSmoothing = 0.2, LogitScale = 0.5 },
        new PtxLossOptions { LogitSoftCap = 3 },
    ];

    [Theory]
    [MemberData(nameof(Options))]
    public void Gradients_match_central_differences_of_Forward(PtxLossOptions options)
    {
        Gradients actual = Backward(options);

        Check(_hidden, actual.Hidden);
        Check(_weight, actual.Weight);
        Check(_bias, actual.Bias);
        actual.Hidden.Where((_, i) => i / HiddenSize == 2).Should().OnlyContain(g => g == 0, "that token is ignored");
        actual.Hidden.Should().Contain(g => g > 0.01f).And.Contain(g => g < -0.01f);

        // Values are good to 1e-6, a difference of two to 4e-5 beside what the third derivative adds.
        void Check(float[] moved, float[] gradient)
        {
            for (int i = 0; i < moved.Length; i++)
            {
                const float step = 1 / 32f;
                float value = moved[i];
                moved[i] = value + step;
                double up = Weighed(options);
                moved[i] = value - step;
                double down = Weighed(options);
                moved[i] = value;
                ((double)gradient[i]).Should().BeApproximately((up - down) / (2 * step), 2e-3, "element {0}", i);
            }
        }
    }

    [Fact]
    public void Shards_add_up_to_the_gradient_of_the_hidden_states_and_hold_each_their_part_of_the_others()
    {
        Gradients whole = Backward(new()), first = Backward(new() { VocabularyStart = 0 }, 0, 4);
        Gradients second = Backward(new() { VocabularyStart = 4 }, 4, 3);

        Closeness.ShouldBeClose(
            [.. first.Hidden.Zip(second.Hidden, (x, y) => (double)x + y)], TestData.ToDouble(whole.Hidden), _ => 1e-6);
        Closeness.ShouldBeClose(
            TestData.ToDouble([.. first.Weight, .. second.Weight]), TestData.ToDouble(whole.Weight), _ => 1e-6);
        Closeness.ShouldBeClose(TestData.ToDouble([.. first.Bias, .. second.Bias]), TestData.ToDouble(whole.Bias), _ => 1e-6);
    }

    [Fact]
    public void What_is_made_of_its_values_is_the_gradient_of_the_loss()
    {
        double[] loss = new double[Tokens], logSumExp = new double[Tokens];
        CrossEntropy.ForwardFromHidden(Hidden, Weight, _targets, new() { Loss = loss, LogSumExp = logSumExp }, null, _bias);
        float[] expected = new float[_hidden.Length], actual = new float[_hidden.Length];
        PtxLossResult result = PtxLoss.ComputeFromHiddenWithGradient(
            0,
            Hidden,
            Weight,
            _targets,
            1,
            new() { Hidden = new TensorSpan<float>(expected, [Tokens, HiddenSize]) },
            new() { ZLossCoefficient = 0.1 },
            _bias);

        CrossEntropy.BackwardFromHidden(
            Hidden,
            Weight,
            _targets,
            new() { LogSumExp = logSumExp },
            new() { Loss = [1 / 3.0, 1 / 3.0, 0, 1 / 3.0], LogSumExp = [.. logSumExp.Select(lse => 0.2 * lse / 3)] },
            new() { Hidden = new TensorSpan<float>(actual, [Tokens, HiddenSize]) },
            null,
            _bias);

        result.LanguageModelLoss.Should().BeApproximately(loss.Sum() / 3, 1e-12);
        Closeness.ShouldBeClose(TestData.ToDouble(actual), TestData.ToDouble(expected), _ => 1e-6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Hidden_states_are_overwritten_and_the_others_added_to(bool accumulates)
    {
        Gradients plain = Backward(new()), actual = Backward(new() { AccumulateGradient = accumulates }, initial: 2);

        actual.Hidden.ShouldBeIdentical(plain.Hidden);
        float added = accumulates ? 2 : 0;
        Closeness.ShouldBeClose(TestData.ToDouble(actual.Weight), [.. plain.Weight.Select(g => (double)g + added)], _ => 5e-7);
        Closeness.ShouldBeClose(TestData.ToDouble(actual.Bias), [.. plain.Bias.Select(g => (double)g + added)], _ => 5e-7);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Tokens_whose_gradients_are_all_0_are_not_read(bool accumulates)
    {
        _hidden.AsSpan(HiddenSize, 2 * HiddenSize).Fill(float.NaN);
        float[] hidden = [.. Enumerable.Repeat(7f, _hidden.Length)], weight = new float[_weight.Length];
        float[] bias = new float[VocabularySize];

        CrossEntropy.BackwardFromHidden(
            Hidden,
            Weight,
            _targets,
            new() { LogSumExp = [2, double.NaN, double.NaN, 2], Entropy = [1, double.NaN, double.NaN, 1] },
            new() { Loss = [1, 0, double.NaN, 0], LogSumExp = [0, 0, double.NaN, 0], Entropy = [0, -0.0, double.NaN, 1] },
            new()
            {
                Hidden = new TensorSpan<float>(hidden, [Tokens, HiddenSize]),
                Weight = new TensorSpan<float>(weight, [VocabularySize, HiddenSize]),
                Bias = bias,
            },
            new() { AccumulateGradient = accumulates },
            _bias);

        hidden.AsSpan(HiddenSize, 2 * HiddenSize).ToArray().Should().OnlyContain(g => g == 0);
        hidden.AsSpan(0, HiddenSize).ToArray().Should().NotContain(7f).And.NotContain(0);
        hidden.Concat(weight).Concat(bias).Should().NotContain(g => float.IsNaN(g));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_gradients_at_all_give_0_or_leave_what_is_added_to(bool accumulates)
    {
        float[] hidden = [.. Enumerable.Repeat(7f, _hidden.Length)], weight = [.. Enumerable.Repeat(7f, _weight.Length)];
        float[] bias = [7, 7, 7, 7, 7, 7, 7];
        Array.Fill(_hidden, float.NaN);

        CrossEntropy.BackwardFromHidden(
            Hidden,
            Weight,
            _targets,
            new() { LogSumExp = new double[Tokens] },
            default,
            new()
            {
                Hidden = new TensorSpan<float>(hidden, [Tokens, HiddenSize]),
                Weight = new TensorSpan<float>(weight, [VocabularySize, HiddenSize]),
                Bias = bias,
            },
            new() { AccumulateGradient = accumulates },
            _bias);

        hidden.Should().OnlyContain(g => g == 0);
        weight.Concat(bias).Should().OnlyContain(g => g == (accumulates ? 7 : 0));
    }

    [Fact]
    public void No_tokens_or_nothing_that_is_wanted()
    {
        ReadOnlyTensorSpan<float> none = Tensor.CreateFromShape<float>([0, HiddenSize]);
        float[] weight = [.. Enumerable.Repeat(7f, _weight.Length)];
        CrossEntropy.ForwardFromHidden<float, int>(none, Weight, [], default);
        CrossEntropy.ForwardFromHidden<float, int>(Hidden, Weight, _targets, default);
        CrossEntropy.BackwardFromHidden<float, int>(
            Hidden, Weight, _targets, new() { LogSumExp = new double[Tokens] }, new() { Loss = _ofLoss }, default);
        CrossEntropy.BackwardFromHidden<float, int>(
            none, Weight, [], default, default, new() { Weight = new TensorSpan<float>(weight, [VocabularySize, HiddenSize]) });

        weight.Should().OnlyContain(g => g == 0);
    }

    [Fact]
    public void An_ignored_token_has_outputs_0()
    {
        _hidden.AsSpan(2 * HiddenSize, HiddenSize).Fill(float.NaN);
        double[] loss = [7, 7, 7, 7], logSumExp = [7, 7, 7, 7], targetLogit = [7, 7, 7, 7], entropy = [7, 7, 7, 7];
        int[] argMax = [7, 7, 7, 7];

        CrossEntropy.ForwardFromHidden(
            Hidden,
            Weight,
            _targets,
            new() { Loss = loss, LogSumExp = logSumExp, TargetLogit = targetLogit, Entropy = entropy, ArgMax = argMax });

        (loss[2], logSumExp[2], targetLogit[2], entropy[2], argMax[2]).Should().Be((0, 0, 0, 0, -1));
        loss.Concat(logSumExp).Concat(targetLogit).Concat(entropy).Should().NotContain(7).And.NotContain(double.NaN);
    }

    private ReadOnlyTensorSpan<float> Hidden => new(_hidden, [Tokens, HiddenSize]);

    private ReadOnlyTensorSpan<float> Weight => new(_weight, [VocabularySize, HiddenSize]);

    /// <summary>Σ of all outputs, each by what a backward pass is given of it.</summary>
    private double Weighed(PtxLossOptions options)
    {
        double[] loss = new double[Tokens], logSumExp = new double[Tokens], entropy = new double[Tokens];
        CrossEntropy.ForwardFromHidden(
            Hidden, Weight, _targets, new() { Loss = loss, LogSumExp = logSumExp, Entropy = entropy }, options, _bias);
        return Enumerable.Range(0, Tokens).Where(token => _targets[token] >= 0)
            .Sum(token => (_ofLoss[token] * loss[token])
                + (_ofLogSumExp[token] * logSumExp[token])
                + (_ofEntropy[token] * entropy[token]));
    }

    private Gradients Backward(PtxLossOptions options, int start = 0, int count = VocabularySize, float initial = 0)
    {
        double[] logSumExp = new double[Tokens], entropy = new double[Tokens];
        CrossEntropy.ForwardFromHidden(
            Hidden,
            Weight,
            _targets,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            options with { VocabularyStart = null },
            _bias);
        var gradients = new Gradients(Filled(_hidden.Length), Filled(count * HiddenSize), Filled(count));
        CrossEntropy.BackwardFromHidden(
            Hidden,
            new ReadOnlyTensorSpan<float>(_weight.AsSpan(start * HiddenSize, count * HiddenSize), [count, HiddenSize], []),
            _targets,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = _ofLoss, LogSumExp = _ofLogSumExp, Entropy = _ofEntropy },
            new()
            {
                Hidden = new TensorSpan<float>(gradients.Hidden, [Tokens, HiddenSize]),
                Weight = new TensorSpan<float>(gradients.Weight, [count, HiddenSize]),
                Bias = gradients.Bias,
            },
            options,
            _bias.AsSpan(start, count));
        return gradients;

        float[] Filled(int length) => [.. Enumerable.Repeat(initial, length)];
    }

    private sealed record Gradients(float[] Hidden, float[] Weight, float[] Bias);
}
