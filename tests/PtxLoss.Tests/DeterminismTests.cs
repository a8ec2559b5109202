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

    [Fact]
    public void A_row_has_the_same_loss_in_any_batch()
    {
        double[] together = new double[Tokens];
        CrossEntropy.Forward(_logits, _targets, VocabularySize, new CrossEntropyOutputs { Loss = together });

        for (int token = 0; token < Tokens; token++)
        {
            double[] alone = new double[1];
            CrossEntropy.Forward(
                _logits.AsSpan(token * VocabularySize, VocabularySize), _targets.AsSpan(token, 1), VocabularySize, new() { Loss = alone });
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

    private static (double Loss, float[] Gradient) Run(ReadOnlySpan<float> logits, PtxLossOptions? options, int offset = 0)
    {
        float[] gradient = new float[offset + logits.Length];
        PtxLossResult result = PtxLoss.ComputeWithGradient(0, logits, _targets, VocabularySize, 1, gradient.AsSpan(offset), options);
        return (result.Total, gradient[offset..]);
    }
}
