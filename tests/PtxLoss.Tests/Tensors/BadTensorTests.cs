using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>Bad tensors get an exception that names the argument and what was wrong, before anything is written.</summary>
public class BadTensorTests
{
    private const float Untouched = 42;
    private readonly float[] _memory = TestData.Logits(400, seed: 1);
    private readonly float[] _before = TestData.Logits(400, seed: 1);
    private readonly float[] _gradient = [.. Enumerable.Repeat(Untouched, 400)];
    private readonly int[] _targets = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4];

    [Theory]
    [InlineData(new int[0], "[]")]
    [InlineData(new[] { 7 }, "[7]")]
    public void Logits_of_too_few_dimensions(int[] shape, string said)
        => Rejects("logits", $"logits has the shape {said}, but needs at least two dimensions, [.., vocabulary]", shape, [6]);

    [Fact]
    public void An_empty_vocabulary()
        => Rejects(
            "logits",
            "logits has the shape [2, 3, 0]; its last dimension, the vocabulary, must be from 1 to 2147483647",
            [2, 3, 0],
            [2, 3]);

    [Fact]
    public void The_longest_row_that_an_int_counts_has_only_its_stride_against_it()
        => Throws(
            () => PtxLoss.Compute(0, ReadOnly(_memory, [2, int.MaxValue], [0, 0]), ReadOnly(_targets, [2], []), 1),
            "logits",
            "logits has the strides [0, 0]; in the last dimension");

    [Theory]
    [InlineData(new[] { 6 }, "[6]")]
    [InlineData(new[] { 3, 2 }, "[3, 2]")]
    [InlineData(new[] { 2, 3, 1 }, "[2, 3, 1]")]
    [InlineData(new int[0], "[]")]
    public void Targets_of_another_shape(int[] shape, string said)
        => Rejects("targets", $"targets has the shape {said}, but logits of shape [2, 3, 7] needs [2, 3]", [2, 3, 7], shape);

    [Theory]
    [InlineData(2)]
    [InlineData(0)]
    public void Logits_that_are_not_next_to_each_other(int stride)
        => Rejects(
            "logits",
            $"logits has the strides [60, 20, {stride}]; in the last dimension, the vocabulary, the stride must be 1",
            [2, 3, 7],
            [2, 3],
            strides: [60, 20, stride]);

    [Theory]
    [InlineData(new[] { 2, 3, 8 }, "[2, 3, 8]")]
    [InlineData(new[] { 6, 7 }, "[6, 7]")]
    [InlineData(new int[0], "[]")]
    public void A_gradient_of_another_shape(int[] shape, string said)
        => RejectsGradient($"logitsGradient has the shape {said}, but logits has [2, 3, 7]", shape, []);

    [Fact]
    public void A_gradient_that_is_not_next_to_each_other()
        => RejectsGradient("logitsGradient has the strides [60, 20, 2]; in the last dimension", [2, 3, 7], [60, 20, 2]);

    [Theory]
    [InlineData(new[] { 0, 7, 1 })]
    [InlineData(new[] { 7, 0, 1 })]
    [InlineData(new[] { 0, 0, 1 })]
    public void A_gradient_with_rows_that_overlap(int[] strides)
        => RejectsGradient("logitsGradient has rows that overlap each other", [2, 3, 7], strides);

    [Fact]
    public void Logits_with_rows_that_overlap_in_place()
    {
        Action act = () =>
        {
            var logits = new TensorSpan<float>(_memory, 0, [2, 3, 7], [0, 7, 1]);
            PtxLoss.ComputeWithGradient(0, logits, Targets(2, 3), 1, logits);
        };

        Throws(act, "logitsGradient", "logitsGradient has rows that overlap each other");
    }

    [Theory]
    [InlineData(0, 21)] // the same place, other strides
    [InlineData(3, 42)] // the same strides, in the middle of a row
    [InlineData(-3, 42)]
    [InlineData(17, 42)] // the end of the next row
    [InlineData(45, 42)] // the next batch
    [InlineData(100, 21)] // other strides, where they might miss
    public void A_gradient_that_overlaps_a_part_of_the_logits(int distance, int batchStride)
    {
        Action act = () => PtxLoss.ComputeWithGradient(
            0,
            new ReadOnlyTensorSpan<float>(_memory, 100, [3, 2, 7], [42, 14, 1]),
            Targets(3, 2),
            1,
            new TensorSpan<float>(_memory, 100 + distance, [3, 2, 7], [batchStride, batchStride == 42 ? 14 : 7, 1]));

        Throws(act, "logitsGradient", "logitsGradient overlaps a part of logits");
    }

    [Theory]
    [InlineData(7)]
    [InlineData(-7)]
    [InlineData(21)] // between the batches
    [InlineData(49)]
    [InlineData(-35)]
    [InlineData(200)]
    public void A_gradient_in_the_gaps_of_the_logits_is_fine(int distance)
    {
        var logits = new ReadOnlyTensorSpan<float>(_memory, 50, [3, 2, 7], [42, 14, 1]);
        var gradient = new TensorSpan<float>(_memory, 50 + distance, [3, 2, 7], [42, 14, 1]);

        PtxLoss.ComputeWithGradient(0, logits, Targets(3, 2), 1, gradient).TokenCount.Should().Be(6);
    }

    [Fact]
    public void A_gradient_over_the_targets()
    {
        long[] memory = new long[40];
        Action act = () => PtxLoss.ComputeWithGradient(
            0,
            new ReadOnlyTensorSpan<double>(new double[6], [2, 3]),
            new ReadOnlyTensorSpan<long>(memory, 2, [2], [10]),
            1,
            new TensorSpan<double>(MemoryMarshal.Cast<long, double>(memory.AsSpan(12)), [2, 3]));

        act.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage("*overlaps targets*");
        memory.Should().OnlyContain(x => x == 0);
    }

    [Theory]
    [InlineData(false, "targets[1, 2] is 9, which is outside [0, 7) and is not the ignored -100")]
    [InlineData(true, "targets[1, 2] is 9, which is outside [0, 7) and is not the ignored -100")]
    public void A_target_outside_the_vocabulary_is_named_by_its_indices(bool shifts, string message)
    {
        _targets[1 + (2 * 3)] = 9; // at [1, 2]

        Rejects("targets", message, [3, 4, 7], [3, 4], options: new() { ShiftTargets = shifts }, targetStrides: [1, 3]);
    }

    [Fact]
    public void No_targets_for_logits()
        => Rejects(
            "targets",
            "targets has the shape [0], but logits of shape [3, 7] needs [3]",
            [3, 7],
            [0]);

    [Fact]
    public void Options_and_coefficients()
    {
        Rejects(
            "options",
            "options.MaxDegreeOfParallelism is 0, but must be",
            [2, 3, 7],
            [2, 3],
            options: new() { MaxDegreeOfParallelism = 0 });
        Rejects("ptxCoefficient", "ptxCoefficient must be finite", [2, 3, 7], [2, 3], coefficient: double.NaN);
    }

    [Fact]
    public void Shifted_spans()
    {
        var options = new PtxLossOptions { ShiftTargets = true };
        Action[] calls =
        [
            () => PtxLoss.Compute(0, _memory.AsSpan(0, 12), [0, 1, 2], 4, 1, options),
            () => PtxLoss.ComputeWithGradient(0, _memory.AsSpan(0, 12), [0, 1, 2], 4, 1, _gradient.AsSpan(0, 12), options),
            () => PtxLoss.Denominator(_targets, options),
            () => CrossEntropy.Forward(_memory.AsSpan(0, 12), [0, 1, 2], 4, default, options),
            () => CrossEntropy.Backward(
                _memory.AsSpan(0, 12),
                [0, 1, 2],
                4,
                new() { LogSumExp = new double[3] },
                new() { Loss = new double[3] },
                _gradient.AsSpan(0, 12),
                options),
        ];

        foreach (Action call in calls)
        {
            Throws(
                call,
                "options",
                "options.ShiftTargets is true, but must be false for spans, which do not say where a sequence ends; tensors do.");
        }
    }

    [Fact]
    public void No_tensor()
    {
        Tensor<float> logits = Tensor.CreateFromShape<float>([2, 3]);
        Tensor<int> targets = Tensor.CreateFromShape<int>([2]);
        (string Name, Action Call)[] calls =
        [
            ("logits", () => PtxLoss.Compute(0, (Tensor<float>)null!, targets, 1)),
            ("targets", () => PtxLoss.Compute(0, logits, (Tensor<int>)null!, 1)),
            ("logits", () => PtxLoss.ComputeWithGradient(0, (Tensor<float>)null!, targets, 1, logits)),
            ("targets", () => PtxLoss.ComputeWithGradient(0, logits, (Tensor<int>)null!, 1, logits)),
            ("logitsGradient", () => PtxLoss.ComputeWithGradient(0, logits, targets, 1, (Tensor<float>)null!)),
            ("targets", () => PtxLoss.Denominator((Tensor<int>)null!)),
        ];

        foreach ((string name, Action call) in calls)
        {
            call.Should().Throw<ArgumentException>(name).WithParameterName(name);
        }
    }

    private void Rejects(
        string parameter,
        string message,
        int[] shape,
        int[] targetShape,
        int[]? strides = null,
        int[]? targetStrides = null,
        double coefficient = 1,
        PtxLossOptions? options = null)
    {
        Throws(
            () => PtxLoss.Compute(
                0, ReadOnly(_memory, shape, strides), ReadOnly(_targets, targetShape, targetStrides), coefficient, options),
            parameter,
            message);
        Throws(
            () => PtxLoss.ComputeWithGradient(
                0,
                ReadOnly(_memory, shape, strides),
                ReadOnly(_targets, targetShape, targetStrides),
                coefficient,
                Writable(_gradient, shape, []),
                options),
            parameter,
            message);
    }

    private void RejectsGradient(string message, int[] shape, int[] strides)
        => Throws(
            () => PtxLoss.ComputeWithGradient(
                0, ReadOnly(_memory, [2, 3, 7], []), Targets(2, 3), 1, Writable(_gradient, shape, strides)),
            "logitsGradient",
            message);

    private void Throws(Action call, string parameter, string message)
    {
        call.Should().Throw<ArgumentException>().WithParameterName(parameter).And.Message.Should().Contain(message);
        _gradient.Should().OnlyContain(x => x == Untouched);
        _memory.Should().Equal(_before);
    }

    private ReadOnlyTensorSpan<int> Targets(nint rows, nint columns) => new(_targets, 0, [rows, columns], []);

    private static ReadOnlyTensorSpan<T> ReadOnly<T>(T[] memory, int[] shape, int[]? strides) => Writable(memory, shape, strides);

    private static TensorSpan<T> Writable<T>(T[] memory, int[] shape, int[]? strides)
        => shape.Length == 0 ? default : new(memory, 0, ToNative(shape), ToNative(strides ?? []));

    private static nint[] ToNative(int[] numbers) => [.. numbers.Select(number => (nint)number)];
}
