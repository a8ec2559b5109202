namespace PtxLosses.Tests;

/// <summary>The same input gives the same bits, whoever computes it and wherever it lies.</summary>
public class DeterminismTests
{
    private const int Tokens = 67, VocabularySize = 5003;
    private static readonly float[] _logits = TestData.Logits(Tokens * VocabularySize, seed: 11);
    private static readonly int[] _targets = TestData.Targets(Tokens, VocabularySize, seed: 12);

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(64)]
    public void Any_number_of_threads_gives_the_same_bits(int threads)
    {
        (double loss, float[] gradient) = Run(_logits, new() { MaxDegreeOfParallelism = 1 });

        (double otherLoss, float[] otherGradient) = Run(_logits, new() { MaxDegreeOfParallelism = threads });

        otherLoss.ShouldBeIdentical(loss);
        otherGradient.ShouldBeIdentical(gradient);
    }

    [Fact]
    public void Any_alignment_gives_the_same_bits()
    {
        (double loss, float[] gradient) = Run(_logits, null);

        float[] memory = new float[_logits.Length + 16];
        for (int offset = 0; offset < 16; offset++)
        {
            _logits.CopyTo(memory.AsSpan(offset));
            (double shiftedLoss, float[] shiftedGradient) = Run(memory.AsSpan(offset, _logits.Length), null, offset);

            shiftedLoss.ShouldBeIdentical(loss);
            shiftedGradient.ShouldBeIdentical(gradient);
        }
    }

    /// <summary>
    /// What a call with this draw gives on one thread it gives on any number, from memory that starts anywhere.
    /// </summary>
    [Theory]
    [InlineData(HeadEntry.Compute)]
    [InlineData(HeadEntry.ComputeWithGradient)]
    [InlineData(HeadEntry.Forward)]
    [InlineData(HeadEntry.Backward)]
    public void Calls_from_hidden_states_give_the_same_bits(HeadEntry entry)
    {
        foreach (string element in new[] { "float", "half", "bfloat16" })
        {
            foreach (int tokensAtATime in new[] { 0, 12 })
            {
                var drawn = new HeadDraw(entry, element, 40, 24, 5003, Seed: 3)
                {
                    HasBias = true,
                    Statistics = entry is HeadEntry.Forward or HeadEntry.Backward
                        ? LossStatistics.None
                        : LossStatistics.Accuracy | LossStatistics.Entropy,
                    TokensAtATime = tokensAtATime,
                };
                long[] expected = Results(drawn);
                foreach (int threads in new[] { -1, 2, 3, 64 })
                {
                    Results(drawn with { Threads = threads }).Should().Equal(expected);
                }

                if (entry is HeadEntry.Compute or HeadEntry.Forward)
                {
                    Results(drawn with { Gap = 1 }).Should().Equal(expected, "a gap moves each row by as many elements");
                }
            }
        }

        static long[] Results(HeadDraw drawn)
        {
            using var memories = new ArrayMemories();
            var call = HeadCall.Of(drawn, memories);
            call.Run();
            return call.Results();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    [InlineData(1100)]
    public void Soft_targets_give_the_same_bits(int idsPerToken)
    {
        foreach ((int tokens, int vocabularySize) in new[] { (Tokens, VocabularySize), (3, 128_256), (7, 40_001) })
        {
            float[] logits = TestData.Logits(tokens * vocabularySize, seed: 31);
            long[] ids = SoftDraw.Ids(new Random(1), tokens, idsPerToken, vocabularySize, -100);
            float[] probabilities = SoftDraw.Probabilities(new Random(2), ids, idsPerToken, -100, (_, _) => false);
            (PtxLossResult result, float[] gradient) = Run(threads: 1, inPlace: false);
            foreach (int threads in new[] { 2, 3, -1 })
            {
                (PtxLossResult other, float[] otherGradient) = Run(threads, inPlace: threads != 2);
                other.Should().Be(result);
                otherGradient.ShouldBeIdentical(gradient);
            }

            (PtxLossResult Result, float[] Gradient) Run(int threads, bool inPlace)
            {
                float[] from = [.. logits], to = inPlace ? from : new float[logits.Length];
                return (
                    PtxLoss.ComputeWithGradient(
                        0,
                        from,
                        new SoftTargets<long>(ids, probabilities, idsPerToken),
                        vocabularySize,
                        1,
                        to,
                        new() { MaxDegreeOfParallelism = threads }),
                    to);
            }
        }
    }

    [Theory]
    [InlineData(TargetWeighting.Uniform)]
    [InlineData(TargetWeighting.Probability)]
    [InlineData(TargetWeighting.ProbabilityVariance)]
    public void Weightings_and_statistics_give_the_same_bits(TargetWeighting weighting)
    {
        foreach ((int tokens, int vocabularySize) in new[] { (Tokens, VocabularySize), (3, 128_256), (7, 40_001) })
        {
            float[] logits = TestData.Logits(tokens * vocabularySize, seed: 31), gradient = new float[logits.Length];
            int[] targets = TestData.Targets(tokens, vocabularySize, seed: 32);
            var options = new PtxLossOptions
            {
                TargetWeighting = weighting,
                Statistics = LossStatistics.Accuracy | LossStatistics.Entropy,
                MaxDegreeOfParallelism = 1,
            };
            PtxLossResult result = PtxLoss.ComputeWithGradient(0, logits, targets, vocabularySize, 1, gradient, options);
            foreach (int threads in new[] { 2, 3, -1 })
            {
                float[] inPlace = [.. logits];
                PtxLoss.ComputeWithGradient(
                    0, inPlace, targets, vocabularySize, 1, inPlace, options with { MaxDegreeOfParallelism = threads })
                    .Should().Be(result);
                inPlace.ShouldBeIdentical(gradient);
            }
        }
    }

    [Fact]
    public void A_row_has_the_same_loss_in_any_batch()
    {
        double[] together = new double[Tokens];
        CrossEntropy.Forward(_logits, _targets, VocabularySize, new CrossEntropyOutputs { Loss = together });

        for (int token = 0; token < Tokens; token++)
        {
            double[] alone = new double[1];
            CrossEntropy.Forward(
                _logits.AsSpan(token * VocabularySize, VocabularySize),
                _targets.AsSpan(token, 1),
                VocabularySize,
                new() { Loss = alone });
            alone[0].ShouldBeIdentical(together[token]);
        }
    }

    [Fact]
    public void Many_threads_may_call_at_once()
    {
        (double loss, float[] gradient) = Run(_logits, null);

        Parallel.For(0, 32, i =>
        {
            (double otherLoss, float[] otherGradient) = Run(_logits, new() { MaxDegreeOfParallelism = i % 2 == 0 ? 1 : -1 });
            otherLoss.ShouldBeIdentical(loss);
            otherGradient.ShouldBeIdentical(gradient);
        });
    }

    [Fact]
    public void Losses_are_added_in_the_order_of_the_tokens()
    {
        // One loss of 1e8, then many of 2e-9: each is lost beside the first, but not their sum, were it taken before.
        const int tokens = 100_000;
        double[] logits = [.. Enumerable.Range(0, 2 * tokens).Select(i => i % 2 == 0 ? 0 : i == 1 ? 1e8 : -20)];
        int[] targets = new int[tokens];
        var options = new PtxLossOptions { Reduction = LossReduction.Sum };

        PtxLoss.Compute(0, logits, targets, 2, 1, options).Total.Should().Be(1e8);
        PtxLoss.Compute(0, logits, targets, 2, 1, options with { MaxDegreeOfParallelism = 1 }).Total.Should().Be(1e8);
    }

    [Theory]
    [InlineData(1, 200_000)]
    [InlineData(3, 128_256)]
    [InlineData(7, 40_001)]
    [InlineData(4, 32_800)] // the second segment is a short row
    public void Few_long_rows_give_the_same_bits(int tokens, int vocabularySize)
    {
        float[] logits = TestData.Logits(tokens * vocabularySize, seed: 31);
        int[] targets = TestData.Targets(tokens, vocabularySize, seed: 32);
        targets[0] = tokens > 5 ? -100 : targets[0];
        var results = new List<(PtxLossResult Result, float[] Gradient, double[] Entropy, int[] ArgMax)>();
        foreach (int threads in new[] { 1, 2, 3, -1 })
        {
            var options = new PtxLossOptions { MaxDegreeOfParallelism = threads };
            float[] gradient = new float[logits.Length], inPlace = [.. logits];
            double[] entropy = new double[tokens];
            int[] argMax = new int[tokens];
            CrossEntropy.Forward(logits, targets, vocabularySize, new() { Entropy = entropy, ArgMax = argMax }, options);
            PtxLossResult result = PtxLoss.ComputeWithGradient(0, logits, targets, vocabularySize, 1, gradient, options);
            PtxLoss.ComputeWithGradient(0, inPlace, targets, vocabularySize, 1, inPlace, options).Should().Be(result);
            inPlace.ShouldBeIdentical(gradient);
            results.Add((result, gradient, entropy, argMax));
        }

        ScalarReference expected = ScalarReference.Compute<float, int>(0, logits, targets, vocabularySize, 1);
        results[0].Result.Total.ShouldBeTheLoss(expected.Total);
        results[0].ArgMax.Should().Equal(expected.ArgMax);
        results[0].Gradient.ShouldBeTheGradient(expected.Gradient, expected.GradientScale);
        foreach ((PtxLossResult result, float[] gradient, double[] entropy, int[] argMax) in results)
        {
            result.Should().Be(results[0].Result);
            gradient.ShouldBeIdentical(results[0].Gradient);
            entropy.Should().Equal(results[0].Entropy);
            argMax.Should().Equal(results[0].ArgMax);
        }
    }

    private static (double Loss, float[] Gradient) Run(ReadOnlySpan<float> logits, PtxLossOptions? options, int offset = 0)
    {
        float[] gradient = new float[offset + logits.Length];
        PtxLossResult result = PtxLoss.ComputeWithGradient(
            0, logits, _targets, VocabularySize, 1, gradient.AsSpan(offset), options);
        return (result.Total, gradient[offset..]);
    }
}
