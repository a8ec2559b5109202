using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>What results report besides the loss, where they are asked for it.</summary>
public class StatisticsTests
{
    private const LossStatistics Both = LossStatistics.Accuracy | LossStatistics.Entropy;

    [Fact]
    public void What_is_not_asked_for_is_null()
    {
        foreach ((LossStatistics asked, bool hasAccuracy, bool hasEntropy) in new[]
        {
            (LossStatistics.None, false, false),
            (LossStatistics.Accuracy, true, false),
            (LossStatistics.Entropy, false, true),
            (Both, true, true),
        })
        {
            var options = new PtxLossOptions { Statistics = asked };
            PtxLossResult[] results =
            [
                PtxLoss.Compute(0, [1f, 2], [1], 2, 1, options),
                PtxLoss.ComputeWithGradient(0, [1f, 2], [1], 2, 1, new float[2], options),
                PtxLoss.Compute<float, int>(0, [], [], 2, 1, options),
                PtxLoss.Compute(0, [1f, 2], [-100], 2, 1, options),
                PtxLoss.Compute(
                    0, new ReadOnlyTensorSpan<float>([1f, 2], [1, 2]), new ReadOnlyTensorSpan<int>([1], [1]), 1, options),
                PtxLoss.ComputeFromHidden(
                    0,
                    new ReadOnlyTensorSpan<float>([1f, 2], [1, 2]),
                    new ReadOnlyTensorSpan<float>([1f, 2, 3, 4], [2, 2]),
                    [1],
                    1,
                    options),
            ];
            results.Should().AllSatisfy(
                result => (result.Accuracy.HasValue, result.Entropy.HasValue).Should().Be((hasAccuracy, hasEntropy)));
        }

        (default(PtxLossResult).Accuracy, default(PtxLossResult).Entropy).Should().Be((null, null));
    }

    [Fact]
    public void Where_no_token_counts_they_are_0()
    {
        foreach (PtxLossOptions options in new PtxLossOptions[]
        {
            new() { Statistics = Both },
            new() { Statistics = Both, Reduction = LossReduction.Sum },
            new() { Statistics = Both, Denominator = 0 },
            new() { Statistics = Both, TargetWeighting = TargetWeighting.Probability },
        })
        {
            PtxLossResult[] results =
            [
                PtxLoss.Compute<float, int>(0, [], [], 2, 1, options),
                PtxLoss.Compute(0, [float.NaN, 2], [-100], 2, 1, options),
                PtxLoss.Compute(0, [float.NaN, 2], [1], 2, 1, options, [0]),
            ];
            results.Should().AllSatisfy(result => (result.Accuracy, result.Entropy).Should().Be((0, 0)));
        }
    }

    [Theory]
    [InlineData(7)]
    [InlineData(300)]
    [InlineData(40_000)]
    public void They_are_means_of_what_Forward_finds_by_weights(int vocabularySize)
    {
        const int tokens = 8;
        float[] logits = TestData.Logits(tokens * vocabularySize, seed: 5), weights = [1, 0.5f, 0, 2, float.NaN, 1, 3, 0.25f];
        double[] entropy = new double[tokens];
        int[] argMax = new int[tokens];
        CrossEntropy.Forward(logits, new int[tokens], vocabularySize, new() { Entropy = entropy, ArgMax = argMax });
        int[] targets = [argMax[0], 1, argMax[2], argMax[3], -100, 5, argMax[6], 0];
        double[] counted = [.. weights.Select((weight, token) => targets[token] < 0 ? 0.0 : weight)];
        double accuracy = counted.Where((_, token) => targets[token] == argMax[token]).Sum() / counted.Sum();
        double mean = counted.Zip(entropy, (weight, h) => weight * h).Sum() / counted.Sum();

        foreach (PtxLossOptions options in new PtxLossOptions[]
        {
            new(),
            new() { MaxDegreeOfParallelism = 1 },
            new() { Reduction = LossReduction.Sum },
            new() { Denominator = 100 },
            new() { TargetWeighting = TargetWeighting.ProbabilityVariance, LabelSmoothing = 0.1, ZLossCoefficient = 0.1 },
        })
        {
            foreach (float[] gradient in new float[][] { new float[logits.Length], [.. logits] })
            {
                PtxLossResult result = PtxLoss.ComputeWithGradient(
                    0, logits, targets, vocabularySize, 1, gradient, options with { Statistics = Both }, weights);

                result.Accuracy.Should().BeApproximately(accuracy, 1e-12);
                result.Entropy.Should().BeApproximately(mean, 1e-12);
            }
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(3000)]
    [InlineData(70_000)]
    public void A_tie_is_the_lowest_ids_and_a_NaN_the_largest(int vocabularySize)
    {
        int last = vocabularySize - 1;
        Accuracy(1, 1).Should().Be(1);
        Accuracy(last, 1).Should().Be(0);
        Accuracy(last, 1, nan: last).Should().Be(1, "it is the first NaN");
        Accuracy(1, 1, nan: last).Should().Be(0);
        Accuracy(last, 1, nan: 1).Should().Be(0, "the first NaN is that before it");

        double Accuracy(int target, int largest, int nan = -1)
        {
            float[] row = new float[vocabularySize];
            row[largest] = row[last] = 5;
            if (nan >= 0)
            {
                row[nan] = row[last] = float.NaN;
            }

            int[] argMax = new int[1];
            CrossEntropy.Forward(row, [target], vocabularySize, new() { ArgMax = argMax });
            PtxLossResult result = PtxLoss.Compute(0, row, [target], vocabularySize, 1, new() { Statistics = Both });
            result.Accuracy.Should().Be(argMax[0] == target ? 1 : 0);
            double.IsNaN(result.Entropy!.Value).Should().Be(nan >= 0);
            return result.Accuracy!.Value;
        }
    }

    /// <summary>At 690 above the reference, times 0.001, neighbouring floats have one exponent, in blocks far apart.</summary>
    [Theory]
    [InlineData(1500, 3000)]
    [InlineData(3000, 1500)]
    [InlineData(1100, 1200)]
    [InlineData(5000, 1030)]
    public void The_largest_logit_is_found_among_those_with_the_same_exponent(int place, int other)
    {
        float[] row = new float[5003];
        row.AsSpan().Fill(1000);
        row[other] = 1690;
        row[place] = row[^1] = MathF.BitIncrement(1690);
        int[] argMax = new int[1];

        CrossEntropy.Forward(row, [0], row.Length, new() { ArgMax = argMax }, new() { LogitScale = 0.001 });

        argMax[0].Should().Be(place);
    }

    [Fact]
    public void Tokens_that_count_nowhere_are_not_read_for_them()
    {
        float[] logits = [float.NaN, float.NaN, 3, 1, float.NaN, float.NaN];

        PtxLossResult result = PtxLoss.Compute(0, logits, [-100, 0, 1], 2, 1, new() { Statistics = Both }, [1, 1, 0]);

        (result.Accuracy, result.TokenCount).Should().Be((1, 2));
        double p = 1 / (1 + Math.Exp(2));
        result.Entropy.Should().BeApproximately(-(p * Math.Log(p)) - ((1 - p) * Math.Log(1 - p)), 1e-6);
    }

    [Fact]
    public void Soft_targets_have_an_entropy_of_the_model()
    {
        PtxLossResult result = PtxLoss.Compute(
            0, [0f, 0, 0, 0], new SoftTargets<int>([1, 2], [3, 0], 2), 4, 1, new() { Statistics = LossStatistics.Entropy });

        result.Entropy.Should().BeApproximately(Math.Log(4), 1e-6);
        result.Accuracy.Should().BeNull();
        result.LanguageModelLoss.Should().BeApproximately(3 * Math.Log(4), 3e-6);
    }

    /// <summary>
    /// Logits rise, so that exponentials are relative to one reference after another, and repeat, so that many are the largest.
    /// </summary>
    [Theory]
    [InlineData(LossStatistics.Accuracy)]
    [InlineData(LossStatistics.Accuracy | LossStatistics.Entropy)]
    public void They_are_those_of_the_logits_where_the_gradient_takes_their_place(LossStatistics statistics)
    {
        const int tokens = 6, vocabularySize = 5000;
        float[] logits = [.. Enumerable.Range(0, tokens * vocabularySize).Select(
            i => (i % vocabularySize / 700 * (i / vocabularySize)) + (i % 3))];
        int[] targets = ScalarReference.Compute<float, int>(0, logits, new int[tokens], vocabularySize, 1).ArgMax;
        var options = new PtxLossOptions { Statistics = statistics };
        ScalarReference expected = ScalarReference.Compute<float, int>(0, logits, targets, vocabularySize, 1, options);

        PtxLossResult result = PtxLoss.ComputeWithGradient(
            0, logits, targets, vocabularySize, 1, logitsGradient: logits, options);

        result.Accuracy.Should().Be(1);
        result.Entropy.HasValue.Should().Be((statistics & LossStatistics.Entropy) != LossStatistics.None);
        Closeness.ShouldBeClose([result.Entropy ?? expected.Entropy.Average()], [expected.Entropy.Average()], _ => 1e-5);
    }
}
