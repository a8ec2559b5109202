using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>
/// Bad calls per token from hidden states, and on types of 16 bits, get an exception that names the argument and what was
/// wrong, before anything is written.
/// </summary>
public class BadHeadCallTests
{
    private const int Tokens = 3, HiddenSize = 4, VocabularySize = 5;
    private const float Untouched = 42;

    /// <summary>What the calls read and write: all of it, so that any two things may share some.</summary>
    private readonly double[] _memory = [.. Enumerable.Repeat((double)Untouched, 200)];
    private readonly int[] _targets = [0, 1, 2];

    [Theory]
    [InlineData("Hidden", "hidden", "hiddenGradients.Hidden overlaps hidden")]
    [InlineData("Hidden", "weight", "hiddenGradients.Hidden overlaps weight")]
    [InlineData("Hidden", "bias", "hiddenGradients.Hidden overlaps bias")]
    [InlineData("Hidden", "targets", "hiddenGradients.Hidden overlaps targets")]
    [InlineData("Hidden", "Weight", "hiddenGradients.Hidden overlaps hiddenGradients.Weight")]
    [InlineData("Hidden", "Bias", "hiddenGradients.Hidden overlaps hiddenGradients.Bias")]
    [InlineData("Hidden", "forward.LogSumExp", "hiddenGradients.Hidden overlaps forward.LogSumExp")]
    [InlineData("Weight", "hidden", "hiddenGradients.Weight overlaps hidden")]
    [InlineData("Weight", "weight", "hiddenGradients.Weight overlaps weight")]
    [InlineData("Weight", "bias", "hiddenGradients.Weight overlaps bias")]
    [InlineData("Weight", "Bias", "hiddenGradients.Weight overlaps hiddenGradients.Bias")]
    [InlineData("Weight", "targets", "hiddenGradients.Weight overlaps targets")]
    [InlineData("Weight", "forward.Entropy", "hiddenGradients.Weight overlaps forward.Entropy")]
    [InlineData("Weight", "gradients.Loss", "hiddenGradients.Weight overlaps gradients.Loss")]
    [InlineData("Bias", "hidden", "hiddenGradients.Bias overlaps hidden")]
    [InlineData("Bias", "weight", "hiddenGradients.Bias overlaps weight")]
    [InlineData("Bias", "bias", "hiddenGradients.Bias overlaps bias")]
    [InlineData("Bias", "targets", "hiddenGradients.Bias overlaps targets")]
    [InlineData("Bias", "gradients.LogSumExp", "hiddenGradients.Bias overlaps gradients.LogSumExp")]
    [InlineData("Bias", "gradients.Entropy", "hiddenGradients.Bias overlaps gradients.Entropy")]
    public void A_gradient_that_shares_memory(string written, string other, string message)
    {
        RejectsSharing<float>(written, other, message);
        RejectsSharing<Half>(written, other, message);
        RejectsSharing<BFloat16>(written, other, message);
    }

    private void RejectsSharing<TElement>(string written, string other, string message)
        where TElement : unmanaged
    {
        Action act = () => CrossEntropy.BackwardFromHidden<TElement, int>(
            new ReadOnlyTensorSpan<TElement>(Of<TElement>("hidden", 12), [Tokens, HiddenSize], []),
            new ReadOnlyTensorSpan<TElement>(Of<TElement>("weight", 20), [VocabularySize, HiddenSize], []),
            Of<int>("targets", Tokens),
            new() { LogSumExp = Of<double>("forward.LogSumExp", Tokens), Entropy = Of<double>("forward.Entropy", Tokens) },
            new()
            {
                Loss = Of<double>("gradients.Loss", Tokens),
                LogSumExp = Of<double>("gradients.LogSumExp", Tokens),
                Entropy = Of<double>("gradients.Entropy", Tokens),
            },
            new()
            {
                Hidden = new TensorSpan<TElement>(Of<TElement>("Hidden", 12), [Tokens, HiddenSize], []),
                Weight = new TensorSpan<float>(Of<float>("Weight", 20), [VocabularySize, HiddenSize], []),
                Bias = Of<float>("Bias", VocabularySize),
            },
            new() { IgnoreIndex = 0 }, // which the shared targets are
            Of<TElement>("bias", VocabularySize));
        Array.Clear(_memory);

        act.Should().Throw<ArgumentException>().WithParameterName(message.Split(' ')[0]).WithMessage(
            $"{message}; it needs memory of its own*");
        _memory.Should().OnlyContain(x => x == 0);

        // The last element of one is the first of the other.
        Span<T> Of<T>(string name, int length)
            where T : unmanaged
        {
            Span<T> memory = MemoryMarshal.Cast<double, T>(_memory.AsSpan());
            int middle = memory.Length / 2;
            return name == written ? memory.Slice(middle, length)
                : name == other ? memory.Slice(middle - length + 1, length)
                : name == "targets" ? MemoryMarshal.Cast<int, T>(_targets.AsSpan())
                : new T[length];
        }
    }

    [Theory]
    [InlineData("Loss", "hidden", "outputs.Loss overlaps hidden")]
    [InlineData("LogSumExp", "weight", "outputs.LogSumExp overlaps weight")]
    [InlineData("TargetLogit", "bias", "outputs.TargetLogit overlaps bias")]
    [InlineData("Entropy", "targets", "outputs.Entropy overlaps targets")]
    [InlineData("ArgMax", "hidden", "outputs.ArgMax overlaps hidden")]
    [InlineData("ArgMax", "weight", "outputs.ArgMax overlaps weight")]
    [InlineData("Loss", "LogSumExp", "outputs.Loss overlaps outputs.LogSumExp")]
    [InlineData("Entropy", "ArgMax", "outputs.Entropy overlaps outputs.ArgMax")]
    public void An_output_that_shares_memory(string written, string other, string message)
    {
        Action act = () => CrossEntropy.ForwardFromHidden<float, int>(
            new ReadOnlyTensorSpan<float>(Of<float>("hidden", 12), [Tokens, HiddenSize], []),
            new ReadOnlyTensorSpan<float>(Of<float>("weight", 20), [VocabularySize, HiddenSize], []),
            Of<int>("targets", Tokens),
            new()
            {
                Loss = Of<double>("Loss", Tokens),
                LogSumExp = Of<double>("LogSumExp", Tokens),
                TargetLogit = Of<double>("TargetLogit", Tokens),
                Entropy = Of<double>("Entropy", Tokens),
                ArgMax = Of<int>("ArgMax", Tokens),
            },
            null,
            Of<float>("bias", VocabularySize));
        Array.Clear(_memory);

        act.Should().Throw<ArgumentException>().WithParameterName(message.Split(' ')[0]).WithMessage(
            $"{message}; it needs memory of its own*");
        _memory.Should().OnlyContain(x => x == 0);

        Span<T> Of<T>(string name, int length)
            where T : unmanaged
        {
            Span<T> memory = MemoryMarshal.Cast<double, T>(_memory.AsSpan());
            int middle = memory.Length / 2;
            return name == written ? memory.Slice(middle, length)
                : name == other ? memory.Slice(middle - length + 1, length)
                : new T[length];
        }
    }

    [Fact]
    public void Gradients_of_another_shape()
    {
        RejectsBackward(
            new() { Hidden = Rows(4, 3) },
            "hiddenGradients.Hidden",
            "hiddenGradients.Hidden has the shape [4, 3], but hidden has [3, 4].");
        RejectsBackward(
            new() { Weight = Rows(20) },
            "hiddenGradients.Weight",
            "hiddenGradients.Weight has the shape [20], but weight has [5, 4].");
        RejectsBackward(
            new() { Bias = new float[6] }, "hiddenGradients.Bias", "hiddenGradients.Bias has length 6, but needs 5 values");
        RejectsBackward(
            new() { Hidden = new TensorSpan<float>(new float[40], [3, 4], [8, 2]) },
            "hiddenGradients.Hidden",
            "hiddenGradients.Hidden has the strides [8, 2]; in the last dimension the stride must be 1");
        RejectsBackward(
            new() { Weight = new TensorSpan<float>(new float[40], [5, 4], [0, 1]) },
            "hiddenGradients.Weight",
            "hiddenGradients.Weight has the strides [0, 1], so that its rows overlap each other");

        static TensorSpan<float> Rows(params nint[] shape) => new(new float[shape.Aggregate((x, y) => x * y)], shape);
    }

    [Fact]
    public void What_was_found_before_and_what_is_differentiated_by()
    {
        RejectsBackward("forward.LogSumExp", "forward.LogSumExp has length 2, but needs 3 values", logSumExp: 2);
        RejectsBackward("forward.LogSumExp", "forward.LogSumExp has length 0, but needs 3 values", logSumExp: 0);
        RejectsBackward(
            "forward.Entropy",
            "forward.Entropy has length 0, but needs 3 values, one per target, where gradients.Entropy is given",
            entropy: 0);
        RejectsBackward(
            "gradients.Loss", "gradients.Loss has length 4, but needs 3 values, one per target, or to be empty", ofLoss: 4);
        RejectsBackward("gradients.Entropy", "gradients.Entropy has length 2, but needs 3 values", ofEntropy: 2);
        RejectsBackward("targets", "targets[1] is 9, which is outside [0, 5)", targets: [0, 9, 1]);
        RejectsBackward("targets", "targets has length 2, but hidden of shape [3, 4] needs one per token", targets: [0, 1]);
        RejectsBackward("bias", "bias has length 4, but needs 5 values", bias: 4);
        RejectsBackward(
            "options",
            "options.MaxScratchBytes is 100, but a vocabulary of 5 and hidden states of 4 need at least",
            options: new() { MaxScratchBytes = 100 });
        RejectsBackward(
            "options", "options.ShiftTargets is true, but must be false here", options: new() { ShiftTargets = true });
        RejectsBackward(
            "options",
            "options.LabelSmoothing is 0.1, but must be 0 where",
            options: new() { VocabularyStart = 5, LabelSmoothing = 0.1 });
        RejectsBackward(
            "targets",
            "targets[0] is -1, which is outside [0, 9223372036854775807)",
            targets: [-1, 0, 1],
            options: new() { VocabularyStart = 0 });
    }

    [Fact]
    public void Outputs_of_another_length_or_that_a_shard_has_not()
    {
        double[] loss = [Untouched, Untouched, Untouched];
        RejectsForward(
            () => CrossEntropy.ForwardFromHidden(Hidden, Weight, _targets, new() { Loss = loss, Entropy = new double[4] }),
            "outputs.Entropy",
            "outputs.Entropy has length 4, but needs 3 values*");
        RejectsForward(
            () => CrossEntropy.ForwardFromHidden(Hidden, Weight, _targets, new() { Loss = loss, ArgMax = new int[2] }),
            "outputs.ArgMax",
            "outputs.ArgMax has length 2, *");
        RejectsForward(
            () => CrossEntropy.ForwardFromHidden(Hidden, Weight, _targets, new() { Loss = loss }, new() { VocabularyStart = 5 }),
            "outputs",
            "outputs.Loss must be empty where options.VocabularyStart is set*");
        RejectsForward(
            () => CrossEntropy.ForwardFromHidden(
                Hidden,
                Weight,
                _targets,
                new() { LogSumExp = loss, ArgMax = new int[3] },
                new() { VocabularyStart = int.MaxValue }),
            "outputs",
            "outputs.ArgMax must be empty where ids reach 2147483651*");
        RejectsForward(
            () => CrossEntropy.ForwardFromHidden(Hidden, Weight, [0, 5, 1], new() { Loss = loss }),
            "targets",
            "targets[1] is 5, which is outside [0, 5)*");
        loss.Should().OnlyContain(x => x == Untouched);

        static void RejectsForward(Action call, string parameter, string message)
            => call.Should().Throw<ArgumentException>().WithParameterName(parameter).WithMessage(message);
    }

    [Fact]
    public void A_type_that_is_not_supported()
    {
        RejectsType<double>("hidden states of type System.Double are not supported; float, Half and PtxLosses.BFloat16 are.*");
        RejectsType<int>("hidden states of type System.Int32 are not supported;*");
        RejectsType<short>("hidden states of type System.Int16 are not supported;*");

        static void RejectsType<TElement>(string message)
            where TElement : unmanaged
        {
            Tensor<TElement> states = Tensor.CreateFromShape<TElement>([2, 3]);
            Tensor<TElement> gradient = Tensor.CreateFromShape<TElement>([2, 3]);
            double[] values = [Untouched, Untouched];
            Action[] calls =
            [
                () => PtxLoss.ComputeFromHidden(0, states, states, [0, 1], 1),
                () => PtxLoss.ComputeFromHidden(0, states, states, new SoftTargets<int>([0, 1], [1, 1], 1), 1),
                () => PtxLoss.ComputeFromHiddenWithGradient(0, states, states, [0, 1], 1, new() { Hidden = gradient }),
                () => PtxLoss.ComputeFromHiddenWithGradient(
                    0, states, states, new SoftTargets<int>([0, 1], [1, 1], 1), 1, new() { Hidden = gradient }),
                () => CrossEntropy.ForwardFromHidden(states, states, [0, 1], new() { Loss = values }),
                () => CrossEntropy.BackwardFromHidden(
                    states, states, [0, 1], new() { LogSumExp = values }, new() { Loss = values }, new() { Hidden = gradient }),
            ];
            foreach (Action call in calls)
            {
                call.Should().Throw<ArgumentException>().WithParameterName("hidden").WithMessage(message);
            }

            values.Should().OnlyContain(x => x == Untouched);
        }
    }

    [Fact]
    public void Scratch_that_is_too_little_for_one_token_of_any_type()
    {
        long least = HeadScratch.Needed(1, VocabularySize, HiddenSize);
        Fits<float>();
        Fits<Half>();
        Fits<BFloat16>();

        void Fits<TElement>()
            where TElement : unmanaged
        {
            Tensor<TElement> hidden = Tensor.CreateFromShape<TElement>([Tokens, HiddenSize]);
            Tensor<TElement> weight = Tensor.CreateFromShape<TElement>([VocabularySize, HiddenSize]);
            double[] loss = new double[Tokens];
            Action enough = () => CrossEntropy.ForwardFromHidden(
                hidden, weight, _targets, new() { Loss = loss }, new() { MaxScratchBytes = least });
            Action tooLittle = () => CrossEntropy.ForwardFromHidden(
                hidden, weight, _targets, new() { Loss = loss }, new() { MaxScratchBytes = least - 1 });

            tooLittle.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("options").Which.ActualValue.Should()
                .Be(least - 1);
            loss.Should().OnlyContain(x => x == 0);
            enough.Should().NotThrow();
            Closeness.ShouldBeClose(loss, [Math.Log(5), Math.Log(5), Math.Log(5)], _ => 1e-6);
        }
    }

    private static ReadOnlyTensorSpan<float> Hidden => new(new float[12], [Tokens, HiddenSize]);

    private static ReadOnlyTensorSpan<float> Weight => new(new float[20], [VocabularySize, HiddenSize]);

    private static void RejectsBackward(HiddenGradients<float> gradients, string parameter, string message)
    {
        try
        {
            CrossEntropy.BackwardFromHidden(
                Hidden, Weight, [0, 1, 2], new() { LogSumExp = new double[3] }, new() { Loss = [1, 1, 1] }, gradients);
        }
        catch (ArgumentException exception)
        {
            exception.ParamName.Should().Be(parameter);
            exception.Message.Should().StartWith(message);
            return;
        }

        Assert.Fail($"{message} is not refused");
    }

    private void RejectsBackward(
        string parameter,
        string message,
        int[]? targets = null,
        int logSumExp = Tokens,
        int entropy = Tokens,
        int ofLoss = Tokens,
        int ofEntropy = Tokens,
        int bias = 0,
        PtxLossOptions? options = null)
    {
        float[] written = [.. Enumerable.Repeat(Untouched, 37)];
        Action act = () => CrossEntropy.BackwardFromHidden(
            Hidden,
            Weight,
            targets ?? _targets,
            new() { LogSumExp = new double[logSumExp], Entropy = new double[entropy] },
            new() { Loss = new double[ofLoss], Entropy = new double[ofEntropy] },
            new()
            {
                Hidden = new TensorSpan<float>(written, 0, [Tokens, HiddenSize], []),
                Weight = new TensorSpan<float>(written, 12, [VocabularySize, HiddenSize], []),
                Bias = written.AsSpan(32),
            },
            options,
            new float[bias]);

        act.Should().Throw<ArgumentException>().WithParameterName(parameter).And.Message.Should().Contain(message);
        written.Should().OnlyContain(x => x == Untouched);
    }
}
