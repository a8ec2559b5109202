using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary><see cref="CrossEntropy"/> over tensors of any strides: the bits that spans of the same rows give.</summary>
public class CrossEntropyTensorTests
{
    private const int Batch = 3, Sequence = 4, Tokens = Batch * Sequence;
    private const double Unset = 77;
    private static readonly int[] _ignored = [0, 6];

    public static TheoryData<int, bool, int> Cases
    {
        get
        {
            var cases = new TheoryData<int, bool, int>();
            foreach (int vocabularySize in new[] { 1, 7, 300, 5003 })
            {
                foreach (bool shifts in new[] { false, true })
                {
                    cases.Add(vocabularySize, shifts, 1);
                    cases.Add(vocabularySize, shifts, -1);
                }
            }

            cases.Add(40_001, true, 3); // rows in segments
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Any_strides_give_the_bits_of_spans(int vocabularySize, bool shifts, int threads)
    {
        float[] values = TestData.Logits(Tokens * vocabularySize, seed: 1);
        int[] ids = TestData.Targets(Tokens, vocabularySize, seed: 2);
        Array.ForEach(_ignored, token => ids[token] = -100);
        int[] predicted = [.. ids.Select((_, t) => !shifts ? ids[t] : (t + 1) % Sequence == 0 ? -100 : ids[t + 1])];
        var options = new PtxLossOptions { LabelSmoothing = 0.1, LogitScale = 0.8, MaxDegreeOfParallelism = threads };
        nint last = vocabularySize == 1 ? 0 : 1;
        nint[] shape = [Batch, Sequence, vocabularySize];
        Strided<float> logits = new(values, shape, [vocabularySize + 2, Batch * (vocabularySize + 2), last], filler: float.NaN);
        Strided<float> gradient = new(
            [.. values.Select(_ => 0f)], shape, [Sequence * (vocabularySize + 1), vocabularySize + 1, last], filler: 42);
        Strided<int> targets = new(ids, [Batch, Sequence], [1, Batch + 1], filler: int.MaxValue);
        Outputs expected = new(), actual = new();
        float[] expectedGradient = new float[values.Length];

        CrossEntropy.Forward(values, predicted, vocabularySize, expected.All, options);
        CrossEntropy.Forward(logits.ReadOnlySpan, targets.ReadOnlySpan, actual.All, options with { ShiftTargets = shifts });
        actual.ShouldBeIdentical(expected);

        CrossEntropyOutputGradients by = new() { Loss = Gradients(3), LogSumExp = Gradients(4), Entropy = Gradients(5) };
        CrossEntropy.Backward(values, predicted, vocabularySize, expected.All, by, expectedGradient, options);
        CrossEntropy.Backward(
            logits.ReadOnlySpan, targets.ReadOnlySpan, actual.All, by, gradient.Span, options with { ShiftTargets = shifts });
        gradient.Values.ShouldBeIdentical(expectedGradient);
        gradient.GapsAreUntouched().Should().BeTrue();

        CrossEntropy.Backward(
            logits.Span, targets.ReadOnlySpan, actual.All, by, logits.Span, options with { ShiftTargets = shifts });
        logits.Values.ShouldBeIdentical(expectedGradient);
        logits.GapsAreUntouched().Should().BeTrue("in place, as well");
    }

    [Fact]
    public void The_position_at_the_end_of_a_shifted_sequence_says_nothing()
    {
        double[] loss = [Unset, Unset, Unset, Unset];
        int[] argMax = [77, 77, 77, 77];
        float[] memory = [1, 2, float.NaN, 3, 3, 1, float.NaN, float.NaN];
        var logits = new ReadOnlyTensorSpan<float>(memory, [2, 2, 2]);

        CrossEntropy.Forward(
            logits,
            new ReadOnlyTensorSpan<int>([99, 1, 99, 0], [2, 2]),
            new() { Loss = loss, ArgMax = argMax },
            new() { ShiftTargets = true });

        argMax.Should().Equal(1, -1, 0, -1);
        Closeness.ShouldBeClose(loss, [Math.Log(1 + Math.Exp(-1)), 0, Math.Log(1 + Math.Exp(-2)), 0], _ => 1e-7);
    }

    [Fact]
    public void A_shard_may_be_a_slice_of_whole_rows()
    {
        float[] values = TestData.Logits(6 * 100, seed: 6);
        int[] targets = TestData.Targets(6, 100, seed: 7);
        var whole = new ReadOnlyTensorSpan<float>(values, [6, 100]);
        double[] targetLogit = new double[6], left = new double[6], right = new double[6];
        ReadOnlyTensorSpan<int> ids = new(targets, [6]);

        CrossEntropy.Forward(values, targets, 100, new() { TargetLogit = targetLogit });
        CrossEntropy.Forward(whole[.., ..30], ids, new() { TargetLogit = left }, new() { VocabularyStart = 0 });
        CrossEntropy.Forward(whole[.., 30..], ids, new() { TargetLogit = right }, new() { VocabularyStart = 30 });

        left.Zip(right, (x, y) => x + y).Should().Equal(targetLogit);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_named()
    {
        float[] memory = new float[42], gradient = [.. Enumerable.Repeat(42f, 42)];
        double[] six = new double[6];
        ReadOnlyTensorSpan<float> Logits() => new(memory, [2, 3, 7]);
        ReadOnlyTensorSpan<int> Targets(params nint[] shape) => new(new int[42], shape);
        (string Name, Action Call)[] calls =
        [
            ("targets", () => CrossEntropy.Forward(Logits(), Targets(6), default)),
            ("logits", () => CrossEntropy.Forward(new ReadOnlyTensorSpan<float>(memory, [42]), Targets(42), default)),
            ("outputs.Loss", () => CrossEntropy.Forward(Logits(), Targets(2, 3), new() { Loss = new double[5] })),
            ("targets", () => Backward(Logits(), Targets(3, 2), six, six, new(gradient, [2, 3, 7]))),
            ("forward.LogSumExp", () => Backward(Logits(), Targets(2, 3), new double[5], six, new(gradient, [2, 3, 7]))),
            ("gradients.Loss", () => Backward(Logits(), Targets(2, 3), six, new double[7], new(gradient, [2, 3, 7]))),
            ("logitsGradient", () => Backward(Logits(), Targets(2, 3), six, six, new(gradient, [6, 7]))),
            ("logitsGradient", () => Backward(Logits(), Targets(2, 3), six, six, new(memory.AsSpan(1), [1, 3, 7]))),
        ];

        foreach ((string name, Action call) in calls)
        {
            call.Should().Throw<ArgumentException>().WithParameterName(name);
        }

        gradient.Should().OnlyContain(x => x == 42);

        static void Backward(
            ReadOnlyTensorSpan<float> logits,
            ReadOnlyTensorSpan<int> targets,
            double[] logSumExp,
            double[] ofLoss,
            TensorSpan<float> gradient)
            => CrossEntropy.Backward(logits, targets, new() { LogSumExp = logSumExp }, new() { Loss = ofLoss }, gradient);
    }

    private static double[] Gradients(int seed)
        => [.. TestData.Logits(Tokens, seed).Select((g, token) => token == 5 ? 0 : (double)g)];

    private sealed class Outputs
    {
        private readonly double[] _loss = New(), _logSumExp = New(), _targetLogit = New(), _entropy = New();
        private readonly int[] _argMax = [.. Enumerable.Repeat(77, Tokens)];

        public CrossEntropyOutputs All => new()
        {
            Loss = _loss,
            LogSumExp = _logSumExp,
            TargetLogit = _targetLogit,
            Entropy = _entropy,
            ArgMax = _argMax,
        };

        public void ShouldBeIdentical(Outputs other)
        {
            _loss.Should().Equal(other._loss);
            _logSumExp.Should().Equal(other._logSumExp);
            _targetLogit.Should().Equal(other._targetLogit);
            _entropy.Should().Equal(other._entropy);
            _argMax.Should().Equal(other._argMax);
        }

        private static double[] New() => [.. Enumerable.Repeat(Unset, Tokens)];
    }
}
