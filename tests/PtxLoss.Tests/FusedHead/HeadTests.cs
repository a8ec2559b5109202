using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Loss and gradients from hidden states, against the reference on all logits in double.</summary>
public class HeadTests
{
    private const long Ample = 64 << 20;

    [Theory]
    [InlineData(480)]
    [InlineData(24)]
    [InlineData(1)]
    public void Errors_are_no_larger_than_those_of_float_logits_in_memory_however_few_tokens_at_a_time(int tokensAtATime)
    {
        var problem = new HeadProblem(480, 64, 500, seed: 2)
        {
            Options = new() { MaxScratchBytes = HeadScratch.Needed(tokensAtATime, 500, 64) },
        };
        using (var scratch = new HeadScratch(480, 500, 64, problem.Options.MaxScratchBytes, maxDegreeOfParallelism: -1))
        {
            scratch.TokensPerPart.Should().Be(tokensAtATime);
        }

        ScalarReference expected = problem.Expected();
        (double[] hidden, double[] weight, _) = problem.Backward(i => expected.Gradient[i]);
        float[] logits = problem.FloatLogits(), gradient = new float[logits.Length];
        double unfused = PtxLoss.ComputeWithGradient(0.5, logits, problem.Targets, 500, 1, gradient).Total;
        (float[] unfusedHidden, float[] unfusedWeight) = problem.FloatBackward(gradient);

        HeadProblem.Gradients fused = problem.WithGradient();

        Math.Abs(fused.Result.Total - expected.Total).Should().BeLessThan(Math.Abs(unfused - expected.Total) + 1e-8);
        Error(fused.Hidden, hidden).Should().BeLessThanOrEqualTo(Error(unfusedHidden, hidden));
        Error(fused.Weight, weight).Should().BeLessThanOrEqualTo(Error(unfusedWeight, weight));

        static double Error(float[] actual, double[] expected)
            => Math.Sqrt(actual.Zip(expected, (x, y) => (x - y) * (x - y)).Average());
    }

    [Fact]
    public void The_gradient_of_the_bias_keeps_its_digits_over_many_tokens()
    {
        const int tokens = 100_000;
        float[] bias = [0.3f, -1, 2, 0.1f], biasGradient = new float[4], gradient = new float[tokens * 4];
        int[] targets = TestData.Targets(tokens, 3, seed: 6);
        float[] logits = [.. Enumerable.Range(0, tokens).SelectMany(_ => bias)];
        double[] expected = new double[4];
        double[] ofLogits = ScalarReference.Compute<float, int>(0, logits, targets, 4, 1).Gradient;
        for (int i = 0; i < ofLogits.Length; i++)
        {
            expected[i % 4] += ofLogits[i];
        }

        PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(gradient, [tokens, 1], [1, 0]),
            new ReadOnlyTensorSpan<float>(new float[4], [4, 1], [1, 0]),
            targets,
            1,
            new() { Bias = biasGradient },
            bias: bias);

        Closeness.ShouldBeClose(TestData.ToDouble(biasGradient), expected, _ => 1e-6);
    }

    [Fact]
    public void Rows_may_lie_side_by_side()
    {
        var problem = new HeadProblem(6, 8, 30, seed: 7);
        HeadProblem.Gradients expected = problem.WithGradient();
        float[] ofTokens = new float[6 * 16], ofVocabulary = new float[30 * 16];
        var hidden = new TensorSpan<float>(ofTokens, 0, [6, 8], [16, 1]);
        var weight = new TensorSpan<float>(ofVocabulary, 8, [30, 8], [16, 1]);
        new ReadOnlyTensorSpan<float>(problem.Hidden, [6, 8]).CopyTo(hidden);
        new ReadOnlyTensorSpan<float>(problem.Weight, [30, 8]).CopyTo(weight);

        PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0.5,
            hidden,
            weight,
            problem.Targets,
            1,
            new()
            {
                Hidden = new TensorSpan<float>(ofTokens, 8, [6, 8], [16, 1]),
                Weight = new TensorSpan<float>(ofVocabulary, 0, [30, 8], [16, 1]),
            }).Should().Be(expected.Result);

        ofTokens.Where((_, i) => i % 16 >= 8).ToArray().ShouldBeIdentical(expected.Hidden);
        ofVocabulary.Where((_, i) => i % 16 < 8).ToArray().ShouldBeIdentical(expected.Weight);
    }

    [Fact]
    public void More_than_2_to_the_31_logits()
    {
        const int tokens = 2200, ids = 1_000_000;
        float[] hidden = TestData.Logits(tokens, seed: 1, spread: 1), weight = new float[ids];
        weight[7] = 3;
        int[] targets = [.. Enumerable.Repeat(7, tokens)];

        PtxLossResult result = PtxLoss.ComputeFromHidden<float, int>(
            0, new ReadOnlyTensorSpan<float>(hidden, [tokens, 1]), new ReadOnlyTensorSpan<float>(weight, [ids, 1]), targets, 1);

        // All other logits are 0.
        result.LanguageModelLoss.ShouldBeTheLoss(hidden.Average(h => Math.Log(ids - 1 + Math.Exp(3 * h)) - (3 * h)));
    }

    [Fact]
    public void Gradients_that_are_not_asked_for_are_not_needed()
    {
        var problem = new HeadProblem(9, 8, 30, seed: 3);
        HeadProblem.Gradients all = problem.WithGradient();
        float[] hiddenGradient = new float[9 * 8], weightGradient = new float[30 * 8], biasGradient = new float[30];
        ReadOnlyTensorSpan<float> hidden = new(problem.Hidden, [9, 8]), weight = new(problem.Weight, [30, 8]);

        PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0.5, hidden, weight, problem.Targets, 1, new() { Hidden = new TensorSpan<float>(hiddenGradient, [9, 8]) });
        PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0.5, hidden, weight, problem.Targets, 1, new() { Weight = new TensorSpan<float>(weightGradient, [30, 8]) });
        PtxLoss.ComputeFromHiddenWithGradient<float, int>(0.5, hidden, weight, problem.Targets, 1, new() { Bias = biasGradient });

        hiddenGradient.ShouldBeIdentical(all.Hidden);
        weightGradient.ShouldBeIdentical(all.Weight);
        biasGradient.ShouldBeIdentical(all.Bias);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_no_token_counts_gradients_are_0_or_stay(bool accumulates)
    {
        var problem = new HeadProblem(3, 4, 5, seed: 4, hasBias: true)
        {
            Targets = [-100, -100, -100],
            Options = new() { AccumulateGradient = accumulates },
        };
        Array.Fill(problem.Hidden, float.NaN);

        HeadProblem.Gradients gradients = problem.WithGradient(initial: 2);

        gradients.Result.Total.Should().Be(0.5);
        gradients.Hidden.Should().OnlyContain(x => x == 0, "it belongs to the call");
        gradients.Weight.Concat(gradients.Bias).Should().OnlyContain(x => x == (accumulates ? 2 : 0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Hidden_states_of_tokens_that_count_nowhere_are_not_read(bool accumulates)
    {
        HeadProblem.Gradients expected = Run(0), actual = Run(float.NaN);

        actual.ShouldBeIdentical(expected);
        actual.Weight.Should().NotContain(x => float.IsNaN(x));

        HeadProblem.Gradients Run(float unread)
        {
            var problem = new HeadProblem(6, 8, 30, seed: 6, hasBias: true)
            {
                Targets = [3, -100, 6, 0, 5, 2],
                TokenWeights = [0.5f, 4, 0, 1.5f, 0.25f, 0],
                Options = new() { AccumulateGradient = accumulates },
            };
            foreach (int token in new[] { 1, 2, 5 })
            {
                problem.Hidden.AsSpan(token * 8, 8).Fill(unread);
            }

            return problem.WithGradient(initial: 2);
        }
    }

    [Fact]
    public void No_tokens()
    {
        PtxLossResult result = PtxLoss.ComputeFromHidden<float, int>(
            0.5, Tensor.CreateFromShape<float>([0, 4]), new ReadOnlyTensorSpan<float>(new float[20], [5, 4]), [], 1);

        result.Total.Should().Be(0.5);
    }

    [Fact]
    public void Tensors_are_taken_as_they_are()
    {
        var problem = new HeadProblem(6, 8, 30, seed: 5);
        Tensor<float> hidden = Tensor.Create(problem.Hidden, [6, 8]), weight = Tensor.Create(problem.Weight, [30, 8]);
        Tensor<float> hiddenGradient = Tensor.CreateFromShape<float>([6, 8]);
        Tensor<float> weightGradient = Tensor.CreateFromShape<float>([30, 8]);
        long[] targets = [.. problem.Targets.Select(target => (long)target)];

        PtxLoss.ComputeFromHidden(0.5, hidden, weight, targets, 1).Should().Be(problem.Loss());
        PtxLoss.ComputeFromHiddenWithGradient(
            0.5,
            hidden,
            weight,
            targets,
            1,
            new() { Hidden = hiddenGradient, Weight = weightGradient }).Should().Be(problem.Loss());
        hiddenGradient.ToArray().ShouldBeIdentical(problem.WithGradient().Hidden);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public void Working_memory_stays_within_its_bound(int megabytes)
    {
        foreach ((int vocabularySize, int hiddenSize) in new[] { (50_304, 768), (128_256, 4096), (1000, 64) })
        {
            foreach (int threads in new[] { 1, 2, 100 })
            {
                long most = Math.Max(megabytes << 20, HeadScratch.Needed(1, vocabularySize, hiddenSize));
                using var scratch = new HeadScratch(5000, vocabularySize, hiddenSize, most, threads);
                using var oneThread = new HeadScratch(5000, vocabularySize, hiddenSize, most, maxDegreeOfParallelism: 1);

                scratch.Bytes.Should().BeLessThanOrEqualTo(most);
                scratch.TokensPerPart.Should().Be(oneThread.TokensPerPart, "sums must not depend on the number of threads");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public unsafe void Working_memory_has_room_for_its_parts_wherever_it_starts(int threads)
    {
        const int line = 64;
        using var scratch = new HeadScratch(20, 50, 30, Ample, threads);

        byte* start = (byte*)scratch.Logits.Start, end = (byte*)(scratch.Tokens + scratch.TokensPerPart);
        ((nint)start % line).Should().Be(0);
        (end - start + line - 1).Should().BeLessThanOrEqualTo(scratch.Bytes);
    }
}
