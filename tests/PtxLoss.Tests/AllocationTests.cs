namespace PtxLosses.Tests;

/// <summary>What a call allocates. Runs alone: the runtime counts the bytes of the whole process.</summary>
[Collection(nameof(AllocationTests))]
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public class AllocationTests
{
    private const int Tokens = 9, VocabularySize = 5003;
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
        AllocatedBytes(() => PtxLoss.ComputeWithGradient(1, _logits, _targets, VocabularySize, 0.1, gradient, options)).Should().Be(0);
        AllocatedBytes(() => CrossEntropy.Forward(
            _logits, _targets, VocabularySize, new() { LogSumExp = logSumExp, Entropy = entropy }, options)).Should().Be(0);
        AllocatedBytes(() => CrossEntropy.Backward(
            _logits, _targets, VocabularySize, logSumExp, entropy, gradient, options)).Should().Be(0);
        AllocatedBytes(() => PtxLoss.CountTokens(_targets)).Should().Be(0);
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

        AllocatedBytesOnAllThreads(() => PtxLoss.Compute(1, logits, targets, vocabularySize, 0.1)).Should().BeLessThan((16 * tokens) + 65_536);
    }

    /// <summary>What a call allocates on this thread; sharing work with others allocates here as well.</summary>
    private static long AllocatedBytes(Action call) => Measure(call, GC.GetAllocatedBytesForCurrentThread);

    /// <summary>What a call allocates on all threads: the least of several, for the test host allocates now and then.</summary>
    private static long AllocatedBytesOnAllThreads(Action call)
        => Enumerable.Range(0, 10).Min(_ => Measure(call, () => GC.GetTotalAllocatedBytes(precise: true)));

    private static long Measure(Action call, Func<long> allocated)
    {
        call();
        long before = allocated();
        call();
        return allocated() - before;
    }
}
