using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>No read or write outside the spans, at either end, for any length of a row: it would end the test process.</summary>
public class GuardPageTests
{
    public static TheoryData<string> Kernels => KernelTests.Kernels;

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernels_stay_inside(string name)
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        RowKernel<float> kernel = KernelTests.Find(name);
        foreach (int length in Lengths())
        {
            float[] values = TestData.Logits(length, seed: length);
            foreach (bool atEnd in new[] { false, true })
            {
                using var logits = new GuardedMemory<float>(values, atEnd);
                using var gradient = new GuardedMemory<float>(values, atEnd);
                using var next = new GuardedMemory<float>(values, atEnd);
                using var runs = new GuardedMemory<Run>(kernel.MakeRuns(length), atEnd);

                kernel.Reduce(logits.Span, new(RowDetails.Entropy | RowDetails.ArgMax), out _);
                foreach (bool streams in new[] { true, false })
                {
                    SecondLook look = streams ? SecondLook.Streams : SecondLook.Recomputes;
                    kernel.Write(new() { Row = logits.Span, Gradient = gradient.Span, LogSumExp = 3, SoftmaxScale = 1, Look = look });
                    kernel.WriteGradient(logits.Span, gradient.Span, 1, streams, runs.Span);
                }

                kernel.Reduce(logits.Span, new(RowDetails.None), [], runs.Span, default, out _);
                var beside = new GradientWrite<float>
                {
                    Row = logits.Span,
                    Gradient = gradient.Span,
                    SoftmaxScale = 1,
                    Runs = runs.Span,
                    Look = SecondLook.Streams,
                };
                kernel.Reduce(next.Span, new(RowDetails.None), [], [], in beside, out _);
                kernel.WriteGradient(logits.Span, logits.Span, 1, streams: false, runs.Span);
            }
        }
    }

    [Fact]
    public void Every_public_call_stays_inside()
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        foreach ((int tokens, int vocabularySize) in new[] { (1, 1), (3, 7), (2, 257), (5, 1025), (2, 40_000) })
        {
            float[] values = TestData.Logits(tokens * vocabularySize, seed: tokens);
            foreach (bool atEnd in new[] { false, true })
            {
                using var logits = new GuardedMemory<float>(values, atEnd);
                using var gradient = new GuardedMemory<float>(values, atEnd);
                using var targets = new GuardedMemory<int>(TestData.Targets(tokens, vocabularySize, seed: 2), atEnd);
                using var loss = new GuardedMemory<double>(new double[tokens], atEnd);
                using var logSumExp = new GuardedMemory<double>(new double[tokens], atEnd);
                using var targetLogit = new GuardedMemory<double>(new double[tokens], atEnd);
                using var entropy = new GuardedMemory<double>(new double[tokens], atEnd);
                using var argMax = new GuardedMemory<int>(new int[tokens], atEnd);
                var outputs = new CrossEntropyOutputs
                {
                    Loss = loss.Span,
                    LogSumExp = logSumExp.Span,
                    TargetLogit = targetLogit.Span,
                    Entropy = entropy.Span,
                    ArgMax = argMax.Span,
                };

                PtxLoss.Compute(1, logits.Span, targets.Span, vocabularySize, 0.1);
                PtxLoss.ComputeWithGradient(1, logits.Span, targets.Span, vocabularySize, 0.1, gradient.Span);
                CrossEntropy.Forward(logits.Span, targets.Span, vocabularySize, outputs);
                CrossEntropy.Backward(logits.Span, targets.Span, vocabularySize, logSumExp.Span, entropy.Span, gradient.Span);
                PtxLoss.CountTokens(targets.Span);
                PtxLoss.ComputeWithGradient(1, logits.Span, targets.Span, vocabularySize, 0.1, logits.Span);
            }
        }
    }

    [Fact]
    public void Tensors_end_with_their_last_row()
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        foreach (int vocabularySize in new[] { 1, 7, 257, 1025, 40_000 })
        {
            int stride = vocabularySize + 3;
            nint[] lengths = [2, 3, vocabularySize], strides = [3 * stride, stride, vocabularySize == 1 ? 0 : 1];
            float[] values = TestData.Logits((5 * stride) + vocabularySize, seed: vocabularySize);
            foreach (bool atEnd in new[] { false, true })
            {
                using var logits = new GuardedMemory<float>(values, atEnd);
                using var gradient = new GuardedMemory<float>(values, atEnd);
                using var targets = new GuardedMemory<int>(new int[13], atEnd);
                var logitsTensor = new TensorSpan<float>(logits.Span, lengths, strides);
                var targetsTensor = new ReadOnlyTensorSpan<int>(targets.Span, [2, 3], [8, 2]);
                var options = new PtxLossOptions { ShiftTargets = atEnd };

                PtxLoss.ComputeWithGradient(
                    1, logitsTensor, targetsTensor, 0.1, new TensorSpan<float>(gradient.Span, lengths, strides), options);
                PtxLoss.ComputeWithGradient(1, logitsTensor, targetsTensor, 0.1, logitsTensor, options);
                PtxLoss.CountTokens(targetsTensor, options);
            }
        }
    }

    [Fact]
    public void Hidden_states_and_all_that_goes_with_them_end_with_their_last_row()
    {
        if (!GuardedMemory<float>.IsSupported)
        {
            return;
        }

        foreach ((int tokens, int hiddenSize, int vocabularySize) in new[] { (1, 2, 2), (13, 17, 33), (25, 400, 65), (7, 64, 1003) })
        {
            foreach (bool atEnd in new[] { false, true })
            {
                using var hidden = Matrix(tokens);
                using var hiddenGradient = Matrix(tokens);
                using var weight = Matrix(vocabularySize);
                using var weightGradient = Matrix(vocabularySize);
                using var bias = new GuardedMemory<float>(new float[vocabularySize], atEnd);
                using var biasGradient = new GuardedMemory<float>(new float[vocabularySize], atEnd);
                using var targets = new GuardedMemory<int>(new int[tokens], atEnd);

                PtxLoss.ComputeFromHiddenWithGradient<int>(
                    0, Rows(hidden, tokens), Rows(weight, vocabularySize), targets.Span, 1,
                    Rows(hiddenGradient, tokens), Rows(weightGradient, vocabularySize), null, bias.Span, biasGradient.Span);

                GuardedMemory<float> Matrix(int rows)
                    => new(TestData.Logits(((rows - 1) * (hiddenSize + 3)) + hiddenSize, seed: rows, spread: 1), atEnd);
            }

            TensorSpan<float> Rows(GuardedMemory<float> memory, int rows)
                => new(memory.Span, [rows, hiddenSize], [rows == 1 ? 0 : hiddenSize + 3, 1]);
        }
    }

    private static IEnumerable<int> Lengths()
        => Enumerable.Range(1, 258).Concat([1023, 1024, 1025, 1039, 2047, 2048, 2049, 4095, 5003, 32_768, 32_769, 50_257]);
}
