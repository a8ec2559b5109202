using FluentAssertions.Execution;

namespace PtxLosses.Tests;

/// <summary>
/// The loss across real processes: samples/PtxLoss.Mpi with the vocabulary split among some, replicas of it, or both,
/// against one process. And its failures: whatever one rank does, the job ends, and says once what happened.
/// </summary>
public sealed class MpiTests : IClassFixture<MpiTests.Text>
{
    /// <summary>Of a few steps. They print 1e-7 and 1e-6; the sample allows more, for what many steps make of it.</summary>
    private const double LossTolerance = 1e-6, GradientTolerance = 1e-5;

    private readonly string[] _tiny;

    public MpiTests(Text text) =>
        _tiny = ["--corpus", text.File, "--vocabulary", "301", "--micro-batches", "2", "--steps", "3"];

    [MpiTheory]
    [InlineData(1, 1, "")]
    [InlineData(2, 2, "--z-loss 0.001")]
    [InlineData(2, 1, "")]
    [InlineData(4, 2, "--z-loss 0.001")]
    [InlineData(4, 4, "--seed 2")]
    [InlineData(1, 1, "--hidden")]
    [InlineData(2, 2, "--hidden --z-loss 0.001")]
    [InlineData(2, 1, "--hidden")]
    [InlineData(4, 2, "--hidden --z-loss 0.001")]
    [InlineData(4, 4, "--hidden --seed 2")]
    public void Ranks_come_to_the_loss_and_the_gradient_of_one_process(int ranks, int shards, string options)
    {
        string[] more = options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var job = MpiJob.Run(ranks, [.. _tiny, "--shards", $"{shards}", .. more]);

        using var scope = new AssertionScope(job.Everything);
        job.ExitCode.Should().Be(0);
        job.Steps.Select(step => step.Step).Should().Equal(1, 2, 3);
        job.Steps.Should().OnlyContain(step => Math.Abs(step.Loss - step.OneProcess) <= LossTolerance + 1e-6, "of six digits");
        job.Steps.Should().OnlyContain(step => step.Difference <= LossTolerance && step.Gradient <= GradientTolerance);
        job.Steps.Select(step => step.Tokens).Distinct().Should().HaveCountGreaterThan(1, "padding differs from text to text");
        job.Steps[^1].Loss.Should().BeLessThan(job.Steps[0].Loss - 0.1, "the model learns");
        job.Output.Contains("from hidden states", StringComparison.Ordinal).Should().Be(more.Contains("--hidden"), "it says so");
        job.Bytes("loss, per position").Should().Be(shards > 1 ? 16 : 0);
        job.Bytes("hidden gradient, per position").Should().Be(shards > 1 ? 64 * sizeof(float) : 0);
        if (ranks > shards)
        {
            job.Bytes("gradients of replicas, per step").Should().BeGreaterThan(301 * 64 * sizeof(float));
        }
    }

    [MpiTheory]
    [InlineData("1:throws", 1, "rank 1: --fault 1:throws, in step 2")]
    [InlineData("0:throws", 1, "rank 0: --fault 0:throws, in step 2")]
    [InlineData("2:exits", 3, "Exit code:    3")]
    [InlineData("3:shape", 1, "rank 2: The ids of rank 3 start at 121, but those of rank 2 end before 120.")]
    [InlineData("3:batch", 1, "rank 2: In step 2, micro-batch 1, rank 3 has 511 tokens, but rank 2 has 512.")]
    public void A_rank_that_fails_ends_the_job_with_one_message(string fault, int exitCode, string message)
    {
        var job = MpiJob.Run(4, [.. _tiny, "--shards", "2", "--fault", fault]);

        job.ExitCode.Should().Be(exitCode, job.Everything);
        job.Everything.Split(message).Should().HaveCount(2, "once in {0}", job.Everything);
        job.Everything.Should().NotContain("   at ", "there is no stack trace");
        job.Steps.Should().HaveCount(fault.EndsWith(":shape", StringComparison.Ordinal) ? 0 : 1);
    }

    [MpiTheory]
    [InlineData(1, "rank 0: 4 ranks cannot be replicas of 3 shards each: it takes a multiple of --shards.", "--shards", "3")]
    [InlineData(1, "rank 0: Cannot read the corpus: ", "--corpus", "no-such-file")]
    [InlineData(
        1,
        "rank 0: --steps must be the same everywhere, but is 5 on ranks 0, 1, 2, 3 and 6 on rank 4.",
        ":", "-n", "1", MpiJob.SampleAgain, "--steps", "6")]
    [InlineData(
        1,
        "rank 0: --hidden must be the same everywhere, but is not given on ranks 0, 1, 2, 3 and given on rank 4.",
        ":", "-n", "1", MpiJob.SampleAgain, "--hidden")]
    [InlineData(2, "error: --z-loss must be a finite number that is not negative, but is '-1'.", "--z-loss", "-1")]
    public void What_cannot_run_is_said_once(int exitCode, string message, params string[] arguments)
    {
        var job = MpiJob.Run(4, arguments);

        job.ExitCode.Should().Be(exitCode, job.Everything);
        job.Everything.Split(message).Should().HaveCount(2, "once in {0}", job.Everything);
    }

    /// <summary>The library's own source, one paragraph a line: real text of which a tokenizer is soon made.</summary>
    public sealed class Text : IDisposable
    {
        public Text() => System.IO.File.WriteAllLines(
            File,
            Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "PtxLoss"), "*.cs", SearchOption.AllDirectories)
                .Where(
                    file => !file.Contains(
                        $"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .SelectMany(System.IO.File.ReadLines)
                .Where(line => !string.IsNullOrWhiteSpace(line)));

        public string File { get; } = Path.GetTempFileName();

        public void Dispose() => System.IO.File.Delete(File);
    }
}
