using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>
/// Bad calls from hidden states get an exception that names the argument and what was wrong, before anything is written.
/// </summary>
public class BadHeadTests
{
    private const float Untouched = 42;
    private readonly float[] _memory = [.. Enumerable.Repeat(Untouched, 200)];
    private readonly int[] _targets = [0, 1, 2];

    [Theory]
    [InlineData(new[] { 12 }, "hidden has the shape [12], but needs two dimensions, [tokens, d]")]
    [InlineData(new[] { 3, 2, 2 }, "hidden has the shape [3, 2, 2], but needs two dimensions, [tokens, d]")]
    [InlineData(new[] { 3, 0 }, "hidden has the shape [3, 0]; its last dimension must be from 1 to 2147483647")]
    public void Hidden_states_of_another_shape(int[] shape, string message) => Rejects("hidden", message, hidden: shape);

    [Theory]
    [InlineData(new[] { 20 }, "weight has the shape [20], but needs two dimensions, [vocabulary, d]")]
    [InlineData(new[] { 5, 3 }, "weight has the shape [5, 3], but hidden has [3, 4]; their last dimensions must be equal")]
    [InlineData(new[] { 0, 4 }, "weight has the shape [0, 4]; its first dimension, the vocabulary, must be from 1 to 2147483647")]
    public void A_weight_of_another_shape(int[] shape, string message) => Rejects("weight", message, weight: shape);

    [Fact]
    public void The_longest_dimensions_that_an_int_counts_have_only_others_against_them()
    {
        Rejects(
            "hidden", "hidden has the strides [0, 0]; in the last dimension", hidden: [3, int.MaxValue], hiddenStrides: [0, 0]);
        Rejects(
            "weight",
            "weight has the shape [2147483647, 5], but hidden has [3, 4]; their last dimensions must be equal",
            weight: [int.MaxValue, 5],
            weightStrides: [0, 1]);
    }

    [Fact]
    public void A_last_dimension_that_is_not_dense()
    {
        Rejects("hidden", "hidden has the strides [8, 2]; in the last dimension the stride must be 1", hiddenStrides: [8, 2]);
        Rejects("weight", "weight has the strides [1, 5]; in the last dimension the stride must be 1", weightStrides: [1, 5]);
        Rejects(
            "gradients.Hidden", "gradients.Hidden has the strides [8, 2]; in the last dimension", hiddenGradientStrides: [8, 2]);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Targets_of_another_length(int length)
        => Rejects(
            "targets", $"targets has length {length}, but hidden of shape [3, 4] needs one per token", targets: new int[length]);

    [Theory]
    [InlineData(5)]
    [InlineData(-1)]
    public void A_target_outside_the_vocabulary(int target)
        => Rejects(
            "targets", $"targets[1] is {target}, which is outside [0, 5) and is not the ignored -100", targets: [0, target, 2]);

    [Fact]
    public void A_bias_of_another_length()
    {
        Rejects("bias", "bias has length 4, but needs 5 values, one per id of the vocabulary, or none", bias: 4);
        Rejects("gradients.Bias", "gradients.Bias has length 6, but needs 5 values", biasGradient: 6);
    }

    [Fact]
    public void A_gradient_of_another_shape()
    {
        Rejects("gradients.Hidden", "gradients.Hidden has the shape [4, 3], but hidden has [3, 4]", hiddenGradient: [4, 3]);
        Rejects("gradients.Weight", "gradients.Weight has the shape [20], but weight has [5, 4]", weightGradient: [20]);
        Rejects(
            "gradients.Weight",
            "gradients.Weight has the strides [0, 1], so that its rows overlap each other",
            weightGradientStrides: [0, 1]);
    }

    [Fact]
    public void Options_and_coefficients()
    {
        Rejects("options", "options.MaxDegreeOfParallelism is 0, but must be", options: new() { MaxDegreeOfParallelism = 0 });
        Rejects("tokenWeights", "tokenWeights has length 2, but must have 3", tokenWeights: 2);
        Rejects("options", "options.VocabularyStart is 0, but must be null here", options: new() { VocabularyStart = 0 });
        Rejects(
            "options", "options.ShiftTargets is true, but must be false here: give each", options: new() { ShiftTargets = true });
        Rejects(
            "options", "options.Denominator is 0, but 3 tokens count, so it must be above 0", options: new() { Denominator = 0 });
        Rejects("ptxCoefficient", "ptxCoefficient must be finite", coefficient: double.NaN);
        Rejects("options", "options.MaxScratchBytes is -1, but must be at least 0", options: new() { MaxScratchBytes = -1 });
        foreach (long tooLittle in new[] { 0, HeadScratch.Needed(1, 5, 4) - 1 })
        {
            Rejects(
                "options",
                $"options.MaxScratchBytes is {tooLittle}, but a vocabulary of 5 and hidden states of 4 need at least "
                    + $"{HeadScratch.Needed(1, 5, 4)}",
                options: new() { MaxScratchBytes = tooLittle });
        }
    }

    [Theory]
    [InlineData(nameof(Place.Hidden), nameof(Place.HiddenGradient), "gradients.Hidden overlaps hidden")]
    [InlineData(nameof(Place.Weight), nameof(Place.HiddenGradient), "gradients.Hidden overlaps weight")]
    [InlineData(nameof(Place.Bias), nameof(Place.WeightGradient), "gradients.Weight overlaps bias")]
    [InlineData(nameof(Place.WeightGradient), nameof(Place.HiddenGradient), "gradients.Hidden overlaps gradients.Weight")]
    [InlineData(nameof(Place.BiasGradient), nameof(Place.WeightGradient), "gradients.Weight overlaps gradients.Bias")]
    [InlineData(nameof(Place.Weight), nameof(Place.BiasGradient), "gradients.Bias overlaps weight")]
    [InlineData(nameof(Place.TokenWeights), nameof(Place.BiasGradient), "gradients.Bias overlaps tokenWeights")]
    public void A_gradient_that_shares_memory(string first, string second, string message)
        => Rejects(message.Split(' ')[0], message, shared: (Enum.Parse<Place>(first), Enum.Parse<Place>(second)));

    [Theory]
    [InlineData(3, 7)] // the first element of a row is the last of another
    [InlineData(-3, 7)]
    [InlineData(4, 6)] // rows are not as far apart
    public void A_gradient_whose_rows_reach_into_others(int distance, int stride)
    {
        Action act = () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(_memory, 50, [3, 4], [7, 1]),
            new ReadOnlyTensorSpan<float>(new float[20], [5, 4]),
            _targets,
            1,
            new() { Hidden = new TensorSpan<float>(_memory, 50 + distance, [3, 4], [stride, 1]) });

        act.Should().Throw<ArgumentException>().WithParameterName("gradients.Hidden").WithMessage(
            "gradients.Hidden overlaps hidden*");
        _memory.Should().OnlyContain(x => x == Untouched);
    }

    [Theory]
    [InlineData(11, 4)] // the last hidden state
    [InlineData(31, 4)] // or the last of the gradient
    [InlineData(20, 5)] // or that of one with gaps
    public void A_gradient_that_shares_one_element(int gradientStart, int stride)
    {
        int hiddenStart = gradientStart == 11 ? 0 : gradientStart + (4 * stride) + 3;
        Action act = () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(_memory, hiddenStart, [3, 4], []),
            new ReadOnlyTensorSpan<float>(new float[20], [5, 4]),
            _targets,
            1,
            new() { Weight = new TensorSpan<float>(_memory, gradientStart, [5, 4], [stride, 1]) });

        act.Should().Throw<ArgumentException>().WithParameterName("gradients.Weight").WithMessage(
            "gradients.Weight overlaps hidden*");
        _memory.Should().OnlyContain(x => x == Untouched);
    }

    [Fact]
    public void What_is_only_read_may_share_memory()
    {
        ReadOnlyTensorSpan<float> hidden = new(_memory, 0, [3, 4], []), weight = new(_memory, 4, [5, 4], []);

        PtxLoss.ComputeFromHidden<float, int>(0, hidden, weight, _targets, 1, null, _memory.AsSpan(0, 5), _memory.AsSpan(0, 3))
            .Total.ShouldBeTheLoss(Math.Log(5));
    }

    [Fact]
    public void Gradients_next_to_what_they_belong_to_are_fine()
    {
        ReadOnlyTensorSpan<float> hidden = new(_memory, 20, [3, 4], []), weight = new(_memory, 52, [5, 4], []);
        TensorSpan<float> hiddenGradient = new(_memory, 72, [3, 4], []), weightGradient = new(_memory, 32, [5, 4], []);

        PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            hidden,
            weight,
            _targets,
            1,
            new() { Hidden = hiddenGradient, Weight = weightGradient, Bias = _memory.AsSpan(84, 5) });

        _memory[..32].Concat(_memory[52..72]).Concat(_memory[89..]).Should().OnlyContain(x => x == Untouched);
        _memory[32..52].Concat(_memory[72..89]).Should().NotContain(Untouched);
    }

    [Fact]
    public void A_gradient_over_the_targets()
    {
        float[] memory = new float[20];
        Action act = () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            new ReadOnlyTensorSpan<float>(_memory, 0, [3, 4], []),
            new ReadOnlyTensorSpan<float>(_memory, 12, [5, 4], []),
            MemoryMarshal.Cast<float, int>(memory.AsSpan(17)),
            1,
            new() { Weight = new TensorSpan<float>(memory, [5, 4]) });

        act.Should().Throw<ArgumentException>().WithParameterName("gradients.Weight").WithMessage(
            "gradients.Weight overlaps targets*");
        memory.Should().OnlyContain(x => x == 0);
    }

    private enum Place
    {
        Hidden,
        Weight,
        Bias,
        TokenWeights,
        HiddenGradient,
        WeightGradient,
        BiasGradient,
    }

    private void Rejects(
        string parameter,
        string message,
        int[]? hidden = null,
        int[]? weight = null,
        int[]? hiddenStrides = null,
        int[]? weightStrides = null,
        int[]? targets = null,
        int bias = 5,
        int[]? hiddenGradient = null,
        int[]? hiddenGradientStrides = null,
        int[]? weightGradient = null,
        int[]? weightGradientStrides = null,
        int biasGradient = 5,
        int tokenWeights = 0,
        double coefficient = 1,
        PtxLossOptions? options = null,
        (Place First, Place Second)? shared = null)
    {
        Action act = () => PtxLoss.ComputeFromHiddenWithGradient<float, int>(
            0,
            Tensor(Place.Hidden, hidden ?? [3, 4], hiddenStrides),
            Tensor(Place.Weight, weight ?? [5, 4], weightStrides),
            targets ?? _targets,
            coefficient,
            new()
            {
                Hidden = Tensor(Place.HiddenGradient, hiddenGradient ?? [3, 4], hiddenGradientStrides),
                Weight = Tensor(Place.WeightGradient, weightGradient ?? [5, 4], weightGradientStrides),
                Bias = _memory.AsSpan(Start(Place.BiasGradient), biasGradient),
            },
            options,
            _memory.AsSpan(Start(Place.Bias), bias),
            _memory.AsSpan(Start(Place.TokenWeights), shared is null ? tokenWeights : 3));

        act.Should().Throw<ArgumentException>().WithParameterName(parameter).WithMessage($"*{message}*");
        _memory.Should().OnlyContain(x => x == Untouched);

        // One in seven of the memory for each, but for those that share it.
        int Start(Place place) => 28 * (int)(place == shared?.Second ? shared.Value.First : place);

        TensorSpan<float> Tensor(Place place, int[] shape, int[]? strides)
        {
            nint[] lengths = [.. shape.Select(length => (nint)length)];
            return strides is null
                ? new(_memory, Start(place), lengths, [])
                : new(_memory, Start(place), lengths, [.. strides.Select(stride => (nint)stride)]);
        }
    }
}
