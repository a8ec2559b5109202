using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>What a call allocates, on its thread or on all. Runs alone, for the latter.</summary>
[Collection(nameof(AllocationTests))]
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public class AllocationTests
{
    private const int Tokens = 67, VocabularySize = 5003;
    private static readonly float[] _logits = TestData.Logits(Tokens * VocabularySize, seed: 11);
    private static readonly int[] _targets = TestData.Targets(Tokens, VocabularySize, seed: 12);
    private static readonly int[] _smallTargets = [0, 1, 2, 7];

    [Fact]
    public void The_calling_thread_path_allocates_nothing()
    {
        var options = new PtxLossOptions { MaxDegreeOfParallelism = 1 };
        float[] gradient = new float[_logits.Length];
        double[] logSumExp = new double[Tokens], entropy = new double[Tokens];

        AllocatedBytes(() => PtxLoss.Compute(1, _logits, _targets, VocabularySize, 0.1, options)).Should().Be(0);
        AllocatedBytes(
            () => PtxLoss.ComputeWithGradient(1, _logits, _targets, VocabularySize, 0.1, gradient, options)).Should().Be(0);
        AllocatedBytes(() => CrossEntropy.Forward(
            _logits, _targets, VocabularySize, new() { LogSumExp = logSumExp, Entropy = entropy }, options)).Should().Be(0);
        AllocatedBytes(() => CrossEntropy.Backward(
            _logits,
            _targets,
            VocabularySize,
            new() { LogSumExp = logSumExp, Entropy = entropy },
            new() { Loss = entropy, LogSumExp = entropy, Entropy = entropy },
            gradient,
            options)).Should().Be(0);
        AllocatedBytes(() => PtxLoss.Denominator(_targets)).Should().Be(0);

        var shard = new PtxLossOptions { MaxDegreeOfParallelism = 1, VocabularyStart = 3 };
        var accumulator = new PtxLossAccumulator();
        AllocatedBytes(
            () => CrossEntropy.Forward(_logits, _targets, VocabularySize, new() { LogSumExp = logSumExp }, shard)).Should().Be(0);
        AllocatedBytes(() => accumulator.Add(PtxLoss.Compute(1, _logits, _targets, VocabularySize, 0.1, options))).Should().Be(0);
    }

    [Fact]
    public void Nor_does_it_for_weightings_statistics_or_soft_targets()
    {
        float[] gradient = new float[_logits.Length];
        foreach (PtxLossOptions options in new PtxLossOptions[]
        {
            new() { TargetWeighting = TargetWeighting.Probability },
            new() { TargetWeighting = TargetWeighting.ProbabilityVariance, ZLossCoefficient = 0.1 },
            new() { Statistics = LossStatistics.Accuracy },
            new() { Statistics = LossStatistics.Accuracy | LossStatistics.Entropy, LabelSmoothing = 0.1 },
        })
        {
            PtxLossOptions here = options with { MaxDegreeOfParallelism = 1 };
            var accumulator = new PtxLossAccumulator();
            AllocatedBytes(() => PtxLoss.Compute(1, _logits, _targets, VocabularySize, 0.1, here)).Should().Be(0);
            AllocatedBytes(
                () => accumulator.Add(
                    PtxLoss.ComputeWithGradient(1, _logits, _targets, VocabularySize, 0.1, gradient, here))).Should().Be(0);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(80)]
    [InlineData(1024)]
    public void Nor_does_it_for_so_many_ids_per_token(int idsPerToken)
    {
        var options = new PtxLossOptions { MaxDegreeOfParallelism = 1, Statistics = LossStatistics.Entropy };
        float[] gradient = new float[_logits.Length], probabilities = new float[Tokens * idsPerToken];
        int[] ascending = [.. Enumerable.Range(0, probabilities.Length).Select(i => 3 * (i % idsPerToken))];
        int[] shuffled = [.. ascending];
        Array.Fill(probabilities, 1f / idsPerToken);
        new Random(1).Shuffle(shuffled);
        foreach (int[] ids in new[] { ascending, shuffled })
        {
            AllocatedBytes(
                () => PtxLoss.Compute(
                    1,
                    _logits,
                    new SoftTargets<int>(ids, probabilities, idsPerToken),
                    VocabularySize,
                    0.1,
                    options)).Should().Be(0);
            AllocatedBytes(() => PtxLoss.ComputeWithGradient(
                1,
                _logits,
                new SoftTargets<int>(ids, probabilities, idsPerToken),
                VocabularySize,
                0.1,
                gradient,
                options)).Should().Be(0);
            AllocatedBytes(() => PtxLoss.Denominator(new SoftTargets<int>(ids, probabilities, idsPerToken))).Should().Be(0);
        }
    }

    [Fact]
    public void More_ids_take_room_for_those_of_one_token()
    {
        const int idsPerToken = 2000;
        var options = new PtxLossOptions { MaxDegreeOfParallelism = 1 };
        float[] probabilities = new float[Tokens * idsPerToken];
        int[] ids = [.. probabilities.Select((_, i) => i % idsPerToken)];

        AllocatedBytes(
            () => PtxLoss.Compute(
                1, _logits, new SoftTargets<int>(ids, probabilities, idsPerToken), VocabularySize, 0.1, options))
            .Should().BeInRange(1, (32 * idsPerToken) + 1024);
    }

    [Fact]
    public void Nor_does_it_over_tensors()
    {
        var options = new PtxLossOptions { MaxDegreeOfParallelism = 1, ShiftTargets = true };
        nint[] lengths = [11, 3, VocabularySize - 5], strides = [6 * VocabularySize, VocabularySize, 1];
        Tensor<float> logits = Tensor.Create(_logits, 0, lengths, strides), gradient = Tensor.CreateFromShape<float>(lengths);
        Tensor<int> targets = Tensor.Create(new int[33], [11, 3]);

        AllocatedBytes(() => PtxLoss.Compute(1, logits, targets, 0.1, options)).Should().Be(0);
        AllocatedBytes(() => PtxLoss.ComputeWithGradient(1, logits, targets, 0.1, gradient, options)).Should().Be(0);
        AllocatedBytes(() => PtxLoss.ComputeWithGradient(
            1,
            logits.AsReadOnlyTensorSpan(),
            targets.AsReadOnlyTensorSpan(),
            0.1,
            gradient.AsTensorSpan(),
            options)).Should().Be(0);
        AllocatedBytes(() => PtxLoss.Denominator(targets, options)).Should().Be(0);

        double[] logSumExp = new double[33], ones = new double[33];
        AllocatedBytes(() => CrossEntropy.Forward(
            logits.AsReadOnlyTensorSpan(),
            targets.AsReadOnlyTensorSpan(),
            new() { LogSumExp = logSumExp },
            options)).Should().Be(0);
        AllocatedBytes(() => CrossEntropy.Backward(
            logits.AsReadOnlyTensorSpan(),
            targets.AsReadOnlyTensorSpan(),
            new() { LogSumExp = logSumExp },
            new() { Loss = ones },
            gradient.AsTensorSpan(),
            options)).Should().Be(0);
    }

    [Fact]
    public void More_threads_are_used_unless_the_options_say_otherwise()
    {
        double[] loss = new double[Tokens], scale = new double[Tokens];
        float[] gradient = new float[_logits.Length];
        foreach (int degree in Environment.ProcessorCount > 1 ? new[] { -1, 2 } : [2])
        {
            var options = new PtxLossOptions { MaxDegreeOfParallelism = degree };

            // Sharing work with other threads allocates; that is how it shows here.
            AllocatedBytes(() => PtxLoss.Compute(1, _logits, _targets, VocabularySize, 0.1, options)).Should().BePositive();
            AllocatedBytes(
                () => CrossEntropy.Forward(
                    _logits, _targets, VocabularySize, new() { Loss = loss }, options)).Should().BePositive();
            AllocatedBytes(() => CrossEntropy.Backward(
                _logits,
                _targets,
                VocabularySize,
                new() { LogSumExp = loss },
                new() { Loss = scale },
                gradient,
                options)).Should().BePositive();
        }
    }

    [Fact]
    public void A_small_call_with_default_options_stays_on_the_calling_thread()
        => AllocatedBytes(() => PtxLoss.Compute(1, _logits.AsSpan(0, 32), _smallTargets, 8, 0.1)).Should().Be(0);

    [Fact]
    public void A_parallel_call_allocates_a_few_bytes_per_token()
    {
        const int tokens = 4096, vocabularySize = 512;
        float[] logits = new float[tokens * vocabularySize];
        int[] targets = new int[tokens];

        AllocatedBytesOnAllThreads(
            () => PtxLoss.Compute(1, logits, targets, vocabularySize, 0.1)).Should().BeLessThan((16 * tokens) + 16_384);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(1024)]
    public void So_do_one_of_soft_targets_and_those_that_report_more(int idsPerToken)
    {
        const int tokens = 4096, vocabularySize = 512;
        float[] logits = new float[tokens * vocabularySize], gradient = new float[logits.Length];
        float[] probabilities = new float[tokens * idsPerToken];
        int[] targets = new int[tokens], ids = new int[probabilities.Length];
        PtxLossOptions weighted = new() { TargetWeighting = TargetWeighting.Probability };
        PtxLossOptions entropy = new() { Statistics = LossStatistics.Entropy };

        AllocatedBytesOnAllThreads(() => PtxLoss.ComputeWithGradient(1, logits, targets, vocabularySize, 0.1, gradient, weighted))
            .Should().BeLessThan((40 * tokens) + 16_384);
        AllocatedBytesOnAllThreads(
            () => PtxLoss.Compute(1, logits, targets, vocabularySize, 0.1, entropy)).Should().BeLessThan((40 * tokens) + 16_384);
        AllocatedBytesOnAllThreads(
            () => PtxLoss.ComputeWithGradient(
                1, logits, new SoftTargets<int>(ids, probabilities, idsPerToken), vocabularySize, 0.1, gradient))
            .Should().BeLessThan((16 * tokens) + 16_384);
        AllocatedBytesOnAllThreads(
            () => PtxLoss.Compute(1, logits, new SoftTargets<int>(ids, probabilities, idsPerToken), vocabularySize, 0.1, entropy))
            .Should().BeLessThan((40 * tokens) + 16_384);
    }

    [Fact]
    public void Nor_do_more_threads_than_there_are_cores_make_it_more()
    {
        const int tokens = 512, vocabularySize = 33_000;
        Half[] logits = new Half[tokens * vocabularySize];
        int[] targets = new int[tokens];
        var options = new PtxLossOptions { MaxDegreeOfParallelism = 100_000 };

        AllocatedBytesOnAllThreads(
            () => PtxLoss.Compute(1, logits, targets, vocabularySize, 0.1, options)).Should().BeLessThan((16 * tokens) + 16_384);
    }

    [Fact]
    public void A_call_from_hidden_states_allocates_a_few_KB_for_each_part_of_its_tokens()
    {
        const int parts = 20, hiddenSize = 16, vocabularySize = 70_000;
        float[] hidden = new float[parts * hiddenSize], hiddenGradient = new float[hidden.Length];
        float[] weight = new float[vocabularySize * hiddenSize], weightGradient = new float[weight.Length];
        int[] targets = new int[parts];
        var options = new PtxLossOptions { MaxScratchBytes = HeadScratch.Needed(1, vocabularySize, hiddenSize) };
        nint[] ofTokens = [parts, hiddenSize], ofVocabulary = [vocabularySize, hiddenSize];

        AllocatedBytesOnAllThreads(() => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            1,
            new ReadOnlyTensorSpan<float>(hidden, ofTokens, []),
            new ReadOnlyTensorSpan<float>(weight, ofVocabulary, []),
            targets,
            1,
            new()
            {
                Hidden = new TensorSpan<float>(hiddenGradient, ofTokens, []),
                Weight = new TensorSpan<float>(weightGradient, ofVocabulary, []),
            },
            options)).Should().BeLessThan(4096 * (parts + 4));
    }

    [Fact]
    public void Values_and_gradients_per_token_from_hidden_states_allocate_as_little()
    {
        const int parts = 20, hiddenSize = 16, vocabularySize = 70_000;
        Half[] hidden = new Half[parts * hiddenSize], hiddenGradient = new Half[hidden.Length];
        Half[] weight = new Half[vocabularySize * hiddenSize];
        double[] logSumExp = new double[parts], ones = [.. Enumerable.Repeat(1.0, parts)];
        int[] targets = new int[parts];
        var options = new PtxLossOptions { MaxScratchBytes = HeadScratch.Needed(1, vocabularySize, hiddenSize) };
        nint[] ofTokens = [parts, hiddenSize], ofVocabulary = [vocabularySize, hiddenSize];

        AllocatedBytesOnAllThreads(() => CrossEntropy.ForwardFromHidden<Half, int>(
            new ReadOnlyTensorSpan<Half>(hidden, ofTokens, []),
            new ReadOnlyTensorSpan<Half>(weight, ofVocabulary, []),
            targets,
            new() { LogSumExp = logSumExp, Entropy = ones },
            options)).Should().BeLessThan(4096 * (parts + 4));
        AllocatedBytesOnAllThreads(() => CrossEntropy.BackwardFromHidden<Half, int>(
            new ReadOnlyTensorSpan<Half>(hidden, ofTokens, []),
            new ReadOnlyTensorSpan<Half>(weight, ofVocabulary, []),
            targets,
            new() { LogSumExp = logSumExp },
            new() { Loss = ones },
            new() { Hidden = new TensorSpan<Half>(hiddenGradient, ofTokens, []) },
            options)).Should().BeLessThan(4096 * (parts + 4));
    }

    private static long AllocatedBytes(Action call) => Measure(call, GC.GetAllocatedBytesForCurrentThread);

    private static long AllocatedBytesOnAllThreads(Action call) => Measure(call, () => GC.GetTotalAllocatedBytes(precise: true));

    /// <summary>The least of several calls: the test host and the runtime allocate now and then.</summary>
    private static long Measure(Action call, Func<long> allocated)
    {
        call();
        return Enumerable.Range(0, 10).Min(_ =>
        {
            long before = allocated();
            call();
            return allocated() - before;
        });
    }
}
