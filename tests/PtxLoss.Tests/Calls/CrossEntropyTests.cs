namespace PtxLosses.Tests;

/// <summary>The building block: what it writes per token, and that the façade is made of it.</summary>
public class CrossEntropyTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 2)]
    [InlineData(7, 31)]
    [InlineData(4, 1025)]
    [InlineData(9, 4099)]
    [InlineData(2, 50_257)]
    public void All_outputs_match_the_reference(int tokens, int vocabularySize)
    {
        foreach ((double spread, double offset) in new[] { (3, 0), (0, 2), (20.0, 0), (3, 10_000) })
        {
            float[] logits = TestData.Logits(tokens * vocabularySize, seed: tokens, spread, offset);
            int[] targets = TestData.Targets(tokens, vocabularySize, seed: 8);
            targets[tokens / 2] = tokens > 2 ? -100 : targets[tokens / 2];
            double[] loss = Unset<double>(), logSumExp = Unset<double>(), targetLogit = Unset<double>();
            double[] entropy = Unset<double>();
            int[] argMax = Unset<int>();

            CrossEntropy.Forward(logits, targets, vocabularySize, new CrossEntropyOutputs
            {
                Loss = loss,
                LogSumExp = logSumExp,
                TargetLogit = targetLogit,
                Entropy = entropy,
                ArgMax = argMax,
            });

            ScalarReference expected = ScalarReference.Compute<float, int>(0, logits, targets, vocabularySize, 1);
            loss.ShouldBeLosses(expected.Loss);
            logSumExp.ShouldBeLosses(expected.LogSumExp);
            targetLogit.Should().Equal(expected.TargetLogit);
            Closeness.ShouldBeClose(entropy, expected.Entropy, _ => 5e-6);
            argMax.Should().Equal(expected.ArgMax);
        }

        T[] Unset<T>() => [.. Enumerable.Repeat((T)Convert.ChangeType(77, typeof(T), null), tokens)];
    }

    [Fact]
    public void Outputs_do_not_depend_on_which_are_asked_for()
    {
        float[] logits = TestData.Logits(3 * 2000, seed: 4);
        int[] targets = [1, 1999, 0];
        double[] all = new double[3], alone = new double[3];
        CrossEntropy.Forward(
            logits, targets, 2000, new CrossEntropyOutputs { Loss = all, Entropy = new double[3], ArgMax = new int[3] });

        CrossEntropy.Forward(logits, targets, 2000, new CrossEntropyOutputs { Loss = alone });

        alone.Should().Equal(all);
    }

    [Theory]
    [InlineData(new[] { 0f, 1, 1, 0 }, 1)]
    [InlineData(new[] { -0f, 0 }, 0)]
    [InlineData(new[] { 0f, float.NaN, float.PositiveInfinity, float.NaN }, 1)]
    [InlineData(new[] { float.NegativeInfinity, float.NegativeInfinity }, 0)]
    [InlineData(new[] { float.NegativeInfinity, float.MinValue }, 1)]
    public void ArgMax_is_the_first_largest_or_the_first_NaN(float[] row, int expected)
    {
        int[] argMax = new int[1];

        CrossEntropy.Forward(row, [0], row.Length, new CrossEntropyOutputs { ArgMax = argMax });

        argMax.Should().Equal(expected);
    }

    [Fact]
    public void ArgMax_is_the_first_NaN_of_a_long_row_too()
    {
        float[] logits = TestData.Logits(100_000, seed: 5);
        (logits[70_000], logits[5], logits[99_999]) = (float.NaN, float.NaN, 50);
        int[] argMax = new int[1];

        CrossEntropy.Forward(logits, [0], logits.Length, new CrossEntropyOutputs { ArgMax = argMax });

        argMax.Should().Equal(5);
    }

    [Fact]
    public void Entropy_leaves_masked_logits_out()
    {
        float[] logits = [.. Enumerable.Repeat(2f, 8), .. Enumerable.Repeat(float.NegativeInfinity, 3000)];
        double[] entropy = new double[1];

        CrossEntropy.Forward(logits, [0], logits.Length, new CrossEntropyOutputs { Entropy = entropy });

        entropy[0].Should().BeApproximately(Math.Log(8), 1e-6);
    }

    [Fact]
    public void Forward_then_Backward_is_ComputeWithGradient()
    {
        const int tokens = 5, vocabularySize = 3000;
        float[] logits = TestData.Logits(tokens * vocabularySize, seed: 9);
        int[] targets = [0, 2999, -100, 17, 1024];
        double[] logSumExp = new double[tokens], loss = new double[tokens];
        float[] gradient = new float[logits.Length], expected = new float[logits.Length];
        PtxLossResult result = PtxLoss.ComputeWithGradient(0, logits, targets, vocabularySize, 0.3, expected);

        CrossEntropy.Forward(logits, targets, vocabularySize, new CrossEntropyOutputs { LogSumExp = logSumExp, Loss = loss });
        double[] scale = [.. Enumerable.Repeat(0.3 / 4, tokens)];
        CrossEntropy.Backward(logits, targets, vocabularySize, new() { LogSumExp = logSumExp }, new() { Loss = scale }, gradient);

        result.LanguageModelLoss.Should().Be(loss.Sum() / 4);

        // Backward takes its exponentials relative to the log-sum-exp, ComputeWithGradient relative to a logit.
        gradient.ShouldBeTheGradient(TestData.ToDouble(expected), scale: 0.3 / 4);
    }

    [Fact]
    public void Backward_scales_each_token_by_its_own_factor()
    {
        const int tokens = 3, vocabularySize = 100;
        float[] logits = TestData.Logits(tokens * vocabularySize, seed: 10);
        int[] targets = [99, 0, 50];
        double[] scale = [2, -0.5, 0], logSumExp = new double[tokens];
        CrossEntropy.Forward(logits, targets, vocabularySize, new CrossEntropyOutputs { LogSumExp = logSumExp });

        float[] gradient = new float[logits.Length];
        CrossEntropy.Backward(logits, targets, vocabularySize, new() { LogSumExp = logSumExp }, new() { Loss = scale }, gradient);

        double[] unit = ScalarReference.Compute<float, int>(0, logits, targets, vocabularySize, tokens).Gradient;
        gradient.ShouldBeTheGradient([.. unit.Select((g, i) => g * scale[i / vocabularySize])], scale: -0.5);
    }

    [Fact]
    public void Backward_takes_a_log_sum_exp_over_more_than_the_row()
    {
        // A slice of a larger vocabulary: the probabilities of the slice sum to less than 1.
        double[] gradient = [0, 0];

        CrossEntropy.Backward([0.0, 1.0], [1], 2, new() { LogSumExp = [3.0] }, new() { Loss = [1.0] }, gradient);

        gradient[0].Should().BeApproximately(Math.Exp(-3), 1e-15);
        gradient[1].Should().BeApproximately(Math.Exp(-2) - 1, 1e-15);
    }
}
