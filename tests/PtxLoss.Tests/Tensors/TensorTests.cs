using System.Numerics.Tensors;

namespace PtxLosses.Tests;

/// <summary>Tensors of any shape and strides, against the reference and against spans of the same values.</summary>
public class TensorTests
{
    private const double RlLoss = 0.75, Coefficient = 0.1;
    private const float Untouched = 42;

    /// <summary>
    /// Shapes of the targets with the strides of logits (all but the last, in rows), of targets and of gradients.
    /// </summary>
    public static TheoryData<string, int[], int[], int[], int[]> Layouts => new()
    {
        { "rank 2", [5], [1], [1], [1] },
        { "one token", [1], [0], [0], [0] },
        { "every third row", [5], [3], [1], [1] },
        { "rank 3", [2, 3], [3, 1], [3, 1], [3, 1] },
        { "rank 4", [2, 3, 2], [6, 2, 1], [6, 2, 1], [6, 2, 1] },
        { "a slice of a longer sequence", [2, 3], [10, 1], [5, 1], [3, 1] },
        { "a slice of a batch of longer sequences", [2, 3, 2], [40, 8, 2], [20, 5, 2], [30, 7, 1] },
        { "leading dimensions swapped", [3, 2], [1, 3], [1, 3], [2, 1] },
        { "leading dimensions swapped, elsewhere too", [3, 2], [2, 1], [2, 1], [1, 3] },
        { "leading dimensions turned around", [2, 3, 4], [1, 2, 6], [12, 1, 3], [4, 8, 1] },
        { "logits repeated over the batch", [3, 4], [0, 1], [4, 1], [4, 1] },
        { "logits repeated over the sequence", [3, 4], [1, 0], [4, 1], [4, 1] },
        { "logits repeated everywhere", [3, 4], [0, 0], [4, 1], [4, 1] },
        { "targets repeated", [3, 4], [4, 1], [0, 1], [4, 1] },
        { "dimensions of one", [1, 4, 1, 3, 1], [0, 3, 0, 1, 0], [0, 6, 0, 2, 0], [0, 5, 0, 1, 0] },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Match_the_reference(string name, int[] shape, int[] logitStrides, int[] targetStrides, int[] gradientStrides)
    {
        foreach (int vocabularySize in new[] { 1, 7, 300 })
        {
            foreach (int padding in new[] { 0, 5 })
            {
                foreach (bool shifts in new[] { false, true })
                {
                    var options = new PtxLossOptions { ShiftTargets = shifts };
                    Compare(name, shape, logitStrides, targetStrides, gradientStrides, vocabularySize, padding, options);
                }
            }
        }
    }

    private static void Compare(
        string name,
        int[] shape,
        int[] logitStrides,
        int[] targetStrides,
        int[] gradientStrides,
        int vocabularySize,
        int padding,
        PtxLossOptions options)
    {
        int tokens = shape.Aggregate(1, (product, length) => product * length);
        int[] targetValues = TestData.Targets(tokens, vocabularySize, seed: 2);
        targetValues[0] = -100;
        Strided<int> targets = new(targetValues, ToNative(shape), ToNative(targetStrides), filler: int.MaxValue);
        float[] logitValues = TestData.Logits(tokens * vocabularySize, seed: 1), zeros = new float[logitValues.Length];
        Strided<float> logits = Rows(logitValues, shape, logitStrides, vocabularySize, padding, float.NaN);
        Strided<float> gradient = Rows(zeros, shape, gradientStrides, vocabularySize, padding, Untouched);
        float[] values = logits.Values;
        float[] memory = [.. logits.Memory];

        PtxLossResult result = PtxLoss.Compute(RlLoss, logits.ReadOnlySpan, targets.ReadOnlySpan, Coefficient, options);
        PtxLossResult withGradient = PtxLoss.ComputeWithGradient(
            RlLoss, logits.ReadOnlySpan, targets.ReadOnlySpan, Coefficient, gradient.Span, options);

        ScalarReference expected = ScalarReference.Compute<float, int>(
            RlLoss, values, targets.Values, vocabularySize, Coefficient, options, sequenceLength: shape[^1]);
        string because = $"{name}, vocabulary {vocabularySize}, padding {padding}, shift {options.ShiftTargets}";
        result.Total.ShouldBeTheLoss(expected.Total, because);
        result.TokenCount.Should().Be(expected.TokenCount, because);
        withGradient.Should().Be(result);
        gradient.Values.ShouldBeTheGradient(expected.Gradient, expected.GradientScale);
        gradient.GapsAreUntouched().Should().BeTrue(because);
        logits.Memory.ShouldBeIdentical(memory);
        PtxLoss.Denominator(targets.ReadOnlySpan, options).Should().Be(expected.TokenCount, because);
        if (!logitStrides.Contains(0) || shape.Contains(1))
        {
            PtxLoss.ComputeWithGradient(
                RlLoss, logits.Span, targets.ReadOnlySpan, Coefficient, logits.Span, options).Should().Be(result);
            logits.Values.ShouldBeIdentical(gradient.Values);
            logits.GapsAreUntouched().Should().BeTrue(because);
        }
    }

    [Theory]
    [InlineData(1, 67, 5003)] // threads share rows
    [InlineData(3, 1, 128_256)] // and segments
    [InlineData(2, 90, 50_257)] // gradients are written past the caches
    [InlineData(1, 270, 32_768)] // and, with many threads, of one row at a time
    public void Any_strides_and_any_number_of_threads_give_the_bits_of_spans(int batch, int sequence, int vocabularySize)
    {
        int tokens = batch * sequence;
        float[] values = TestData.Logits(tokens * vocabularySize, seed: 3), expected = new float[values.Length];
        int[] targets = TestData.Targets(tokens, vocabularySize, seed: 4);
        targets.AsSpan(tokens / 2, tokens / 8).Fill(-100);
        PtxLossResult result = PtxLoss.ComputeWithGradient(RlLoss, values, targets, vocabularySize, Coefficient, expected);

        int row = vocabularySize + 3, start = 1;
        nint[] lengths = [batch, sequence, vocabularySize];
        nint[] strides = [batch == 1 ? 0 : (sequence * row) + 5, sequence == 1 ? 0 : row, 1];
        float[] memory = new float[start + (batch * sequence * row) + (batch * 5)], other = new float[memory.Length];
        foreach (int threads in new[] { 1, 2, 3, 64, -1 })
        {
            var options = new PtxLossOptions { MaxDegreeOfParallelism = threads };
            TensorSpan<float> logits = new(memory, start, lengths, strides), gradient = new(other, start, lengths, strides);
            ReadOnlyTensorSpan<int> ids = new(targets, [batch, sequence]);
            new ReadOnlyTensorSpan<float>(values, lengths).CopyTo(logits);
            gradient.Fill(Untouched);

            PtxLoss.ComputeWithGradient(RlLoss, logits, ids, Coefficient, gradient, options).Should().Be(result);
            PtxLoss.ComputeWithGradient(RlLoss, logits, ids, Coefficient, logits, options).Should().Be(result);

            Flatten<float>(gradient).ShouldBeIdentical(expected);
            Flatten<float>(logits).ShouldBeIdentical(expected);
        }
    }

    [Theory]
    [InlineData(4001)]
    [InlineData(40_001)]
    public void Threads_find_rows_in_several_dimensions(int vocabularySize)
    {
        int[] shape = [2, 3, 4], strides = [1, 8, 2], gradientStrides = [20, 1, 4];
        Strided<float> logits = Rows(TestData.Logits(24 * vocabularySize, seed: 5), shape, strides, vocabularySize, 2, float.NaN);
        Strided<int> targets = new(
            TestData.Targets(24, vocabularySize, seed: 6), ToNative(shape), [1, 2, 6], filler: int.MinValue);
        float[] expected = new float[24 * vocabularySize];
        PtxLossResult result = PtxLoss.ComputeWithGradient(
            RlLoss, logits.Values, targets.Values, vocabularySize, Coefficient, expected);
        foreach (int threads in new[] { 1, 2, 4 })
        {
            Strided<float> gradient = Rows(new float[expected.Length], shape, gradientStrides, vocabularySize, 0, Untouched);
            var options = new PtxLossOptions { MaxDegreeOfParallelism = threads };
            PtxLoss.ComputeWithGradient(RlLoss, logits.Tensor, targets.Tensor, Coefficient, gradient.Tensor, options)
                .Should().Be(result);
            gradient.Values.ShouldBeIdentical(expected);
        }
    }

    [Fact]
    public void A_gradient_may_lie_in_the_gaps_between_the_logits()
    {
        const int vocabularySize = 300;
        float[] values = TestData.Logits(6 * vocabularySize, seed: 7), expected = new float[values.Length];
        int[] targets = TestData.Targets(6, vocabularySize, seed: 8);
        PtxLossResult result = PtxLoss.ComputeWithGradient(RlLoss, values, targets, vocabularySize, Coefficient, expected);

        foreach (bool gradientFirst in new[] { false, true })
        {
            Tensor<float> both = Tensor.CreateFromShape<float>([2, 3, 2 * vocabularySize]);
            Tensor<float> left = both[.., .., ..vocabularySize], right = both[.., .., vocabularySize..];
            (Tensor<float> logits, Tensor<float> gradient) = gradientFirst ? (right, left) : (left, right);
            Tensor.Create(values, [2, 3, vocabularySize]).CopyTo(logits);

            PtxLoss.ComputeWithGradient(
                RlLoss, logits, Tensor.Create(targets, [2, 3]), Coefficient, gradient).Should().Be(result);

            Flatten<float>(gradient).ShouldBeIdentical(expected);
            Flatten<float>(logits).ShouldBeIdentical(values);
        }
    }

    [Theory]
    [InlineData(0, 3, 7)]
    [InlineData(2, 0, 7)]
    [InlineData(0, 0, 1)]
    public void No_tokens_give_the_rl_loss(int batch, int sequence, int vocabularySize)
    {
        Tensor<float> logits = Tensor.CreateFromShape<float>([batch, sequence, vocabularySize]);
        Tensor<int> targets = Tensor.CreateFromShape<int>([batch, sequence]);
        foreach (bool shifts in new[] { false, true })
        {
            var options = new PtxLossOptions { ShiftTargets = shifts };
            PtxLoss.Compute(RlLoss, logits, targets, Coefficient, options).Total.Should().Be(RlLoss);
            PtxLoss.ComputeWithGradient(RlLoss, logits, targets, Coefficient, logits, options).TokenCount.Should().Be(0);
            PtxLoss.Denominator(targets, options).Should().Be(0);
        }

        PtxLoss.Denominator(ReadOnlyTensorSpan<int>.Empty).Should().Be(0);
    }

    [Fact]
    public void The_denominator_counts_what_is_predicted()
    {
        Tensor<int> targets = Tensor.Create([1, -100, 3, 4, 5, -100], [2, 3]);
        var shifted = new PtxLossOptions { ShiftTargets = true };

        PtxLoss.Denominator(targets).Should().Be(4);
        PtxLoss.Denominator(targets, shifted).Should().Be(2);
        PtxLoss.Denominator(targets, new() { IgnoreIndex = null, ShiftTargets = true }).Should().Be(4);
        PtxLoss.Denominator(targets.AsReadOnlyTensorSpan()[.., ..2], shifted).Should().Be(1);
        PtxLoss.Denominator(Tensor.Create<long>([1, 2, 3]), shifted).Should().Be(2);
    }

    [Fact]
    public void The_first_target_of_a_shifted_sequence_may_be_anything()
    {
        Tensor<float> logits = Tensor.Create(TestData.Logits(2 * 3 * 7, seed: 9), [2, 3, 7]);
        var options = new PtxLossOptions { ShiftTargets = true };

        PtxLoss.Compute(RlLoss, logits, Tensor.Create([99, 1, 2, -5, 3, 4], [2, 3]), Coefficient, options)
            .Should().Be(PtxLoss.Compute(RlLoss, logits, Tensor.Create([0, 1, 2, 0, 3, 4], [2, 3]), Coefficient, options));
    }

    [Fact]
    public void Double_logits()
    {
        double[] logits = TestData.ToDouble(TestData.Logits(2 * 5 * 31, seed: 10));
        ushort[] targets = [1, 2, 3, 4, 5, 6];
        Tensor<double> slice = Tensor.Create(logits, [2, 5, 31])[.., 1..4, ..];
        double[] gradient = new double[6 * 31];

        PtxLossResult result = PtxLoss.ComputeWithGradient(
            RlLoss,
            slice.AsReadOnlyTensorSpan(),
            new ReadOnlyTensorSpan<ushort>(targets, [2, 3]),
            Coefficient,
            new TensorSpan<double>(gradient, [2, 3, 31]));

        ScalarReference expected = ScalarReference.Compute<double, ushort>(
            RlLoss, Flatten<double>(slice), targets, 31, Coefficient);
        result.Total.Should().BeApproximately(expected.Total, 1e-12);
        gradient.ShouldBeTheGradient(expected.Gradient);
    }

    [Fact]
    public void All_tensors_or_all_spans_of_them_need_no_type_arguments()
    {
        Tensor<float> logits = Tensor.Create([1f, 2, 3, 4, 5, 6], [2, 3]), gradient = Tensor.CreateFromShape<float>([2, 3]);
        Tensor<int> targets = Tensor.Create([2, 0], [2]);
        ReadOnlyTensorSpan<float> logitsSpan = logits;
        ReadOnlyTensorSpan<int> targetsSpan = targets;
        TensorSpan<float> gradientSpan = gradient;

        PtxLossResult[] results =
        [
            PtxLoss.Compute(1, logits, targets, 0.1),
            PtxLoss.Compute(1, logitsSpan, targetsSpan, 0.1),
            PtxLoss.Compute(1, in logitsSpan, in targetsSpan, 0.1, new()),
            PtxLoss.Compute(rlLoss: 1, logits: logits, targets: targets, ptxCoefficient: 0.1, options: null),
            PtxLoss.Compute<float, int>(1, logits, targets, 0.1),
            PtxLoss.Compute(1, logits, targets, 0.1, null, [1, 1]),
            PtxLoss.Compute<float, int>(1, logits, targetsSpan, 0.1),
            PtxLoss.ComputeWithGradient(1, logits, targets, 0.1, gradient),
            PtxLoss.ComputeWithGradient(1, logitsSpan, targetsSpan, 0.1, gradientSpan, tokenWeights: [1, 1]),
            PtxLoss.ComputeWithGradient<float, int>(1, logitsSpan, targets, 0.1, gradient),
            PtxLoss.ComputeWithGradient(1, in logitsSpan, in targetsSpan, 0.1, in gradientSpan),
            PtxLoss.ComputeWithGradient(
                rlLoss: 1, logits: logits, targets: targets, ptxCoefficient: 0.1, logitsGradient: gradient, options: new()),
            PtxLoss.ComputeWithGradient<float, int>(1, logits, targets, 0.1, gradient),
            PtxLoss.ComputeWithGradient(1, logits, targets, 0.1, logits),
        ];

        double expected = PtxLoss.Compute(1, [1f, 2f, 3f, 4f, 5f, 6f], [2, 0], 3, 0.1).Total;
        results.Should().AllSatisfy(result => result.Total.Should().Be(expected));
    }

    [Fact]
    public void Tensor_spans_hold_any_type_of_logits()
    {
        Action act = () => PtxLoss.Compute(0, Tensor.Create(new decimal[4], [2, 2]), Tensor.Create([0, 1], [2]), 1);
        new ReadOnlyTensorSpan<BFloat16>(new BFloat16[6], [2, 3]).FlattenedLength.Should().Be(6);
        act.Should().Throw<ArgumentException>().WithParameterName("logits").WithMessage(
            "logits of type System.Decimal are not supported*");
    }

    /// <summary>Rows with strides that are counted in rows, each with some padding behind it.</summary>
    private static Strided<float> Rows(float[] values, int[] shape, int[] strides, int vocabularySize, int padding, float filler)
        => new(
            values,
            [.. ToNative(shape), vocabularySize],
            [.. strides.Select(stride => (nint)stride * (vocabularySize + padding)), vocabularySize == 1 ? 0 : 1],
            filler);

    private static nint[] ToNative(int[] numbers) => [.. numbers.Select(number => (nint)number)];

    private static T[] Flatten<T>(in ReadOnlyTensorSpan<T> tensor)
    {
        T[] values = new T[tensor.FlattenedLength];
        tensor.FlattenTo(values);
        return values;
    }
}
