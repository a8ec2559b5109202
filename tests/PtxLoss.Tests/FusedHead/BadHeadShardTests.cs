using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>What a shard of the output layer refuses, and a target that only a shard may have.</summary>
public class BadHeadShardTests
{
    [Fact]
    public void What_needs_whole_rows_is_refused_on_a_shard()
    {
        const string noSmoothing = "options.LabelSmoothing is 0.1, but must be 0 where options.VocabularyStart is set: *";
        double[] outputs = [7, 7, 7], ones = [1, 1, 1];
        int[] argMax = [7, 7, 7];
        float[] gradients = [.. Enumerable.Repeat(7f, 12 + 20 + 5)];
        var shard = new PtxLossOptions { VocabularyStart = 100 };
        PtxLossOptions smoothed = new() { VocabularyStart = 0, LabelSmoothing = 0.1 };
        PtxLossOptions last = new() { VocabularyStart = int.MaxValue - 3L };

        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 1, 2], new() { Loss = outputs }, shard),
            "outputs.Loss must be empty where options.VocabularyStart is set: *",
            "outputs");
        Refuses(
            () => CrossEntropy.ForwardFromHidden(
                OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = outputs, ArgMax = argMax }, last),
            "outputs.ArgMax must be empty where ids reach 2147483648: *",
            "outputs");
        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = outputs }, smoothed),
            noSmoothing,
            "options");
        Refuses(
            () => CrossEntropy.BackwardFromHidden(
                OfTokens, OfIds, [0, 1, 2], new() { LogSumExp = ones }, new() { Loss = ones }, In(gradients), smoothed),
            noSmoothing,
            "options");
        Refuses(
            () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(0, OfTokens, OfIds, [0, 1, 2], 1, In(gradients), shard),
            "options.VocabularyStart is 100, but must be null here: the loss needs whole rows of logits; *",
            "options");

        outputs.Should().OnlyContain(x => x == 7);
        argMax.Should().OnlyContain(x => x == 7);
        gradients.Should().OnlyContain(x => x == 7);
    }

    [Fact]
    public void Only_of_a_shard_may_a_target_be_any_id()
    {
        const string noId = "targets[1] is -5, which is outside [0, 9223372036854775807) and is not the ignored -100.*";
        double[] ones = [1, 1, 1];
        float[] gradients = [.. Enumerable.Repeat(7f, 12 + 20 + 5)];
        var shard = new PtxLossOptions { VocabularyStart = 0 };

        CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 5, 1_000_000], default, shard);

        Refuses(
            () => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, 5, 2], default),
            "targets[1] is 5, which is outside [0, 5) and is not the ignored -100.*",
            "targets");
        Refuses(() => CrossEntropy.ForwardFromHidden(OfTokens, OfIds, [0, -5, 2], default, shard), noId, "targets");
        Refuses(
            () => CrossEntropy.BackwardFromHidden(
                OfTokens, OfIds, [0, -5, 2], new() { LogSumExp = ones }, new() { Loss = ones }, In(gradients), shard),
            noId,
            "targets");

        gradients.Should().OnlyContain(x => x == 7);
    }

    private static ReadOnlyTensorSpan<float> OfTokens => new(new float[12], [3, 4]);

    private static ReadOnlyTensorSpan<float> OfIds => new(new float[20], [5, 4]);

    private static HiddenGradients<float> In(float[] memory)
        => new() { Hidden = new(memory, 0, [3, 4], []), Weight = new(memory, 12, [5, 4], []), Bias = memory.AsSpan(32) };

    private static void Refuses(Action call, string message, string parameter)
        => call.Should().Throw<ArgumentException>().WithMessage(message).WithParameterName(parameter);
}
