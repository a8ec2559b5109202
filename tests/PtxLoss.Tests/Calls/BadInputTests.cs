using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using static System.FormattableString;

namespace PtxLosses.Tests;

/// <summary>Bad input gets an exception that names the argument and what was wrong, before anything is written.</summary>
public class BadInputTests
{
    private const float Untouched = 42;
    private readonly float[] _logits = TestData.Logits(3 * 4, seed: 1);
    private readonly int[] _targets = [0, 1, 2];
    private readonly float[] _gradient = [.. Enumerable.Repeat(Untouched, 3 * 4)];

    [Fact]
    public void Lengths_that_disagree()
        => Rejects("logits", "logits holds 12 values, but 2 targets × vocabularySize 4 need 8", targets: [0, 1]);

    [Fact]
    public void No_targets_for_logits()
    {
        Rejects("targets", "targets is empty, but logits holds 12 values, vocabularySize 4 per target.", targets: []);
        Rejects("targets", "targets is empty", targets: [], tokenWeights: new float[3]);
    }

    [Fact]
    public void A_product_that_overflows_int()
        => Rejects(
            "logits",
            "logits holds 12 values, but 3 targets × vocabularySize 2147483647 need 6442450941",
            vocabularySize: int.MaxValue);

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_vocabulary_below_1(int vocabularySize)
        => Rejects("vocabularySize", "vocabularySize must be at least 1", vocabularySize: vocabularySize);

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void A_target_outside_the_vocabulary(int target)
        => Rejects(
            "targets",
            $"targets[2] is {target}, which is outside [0, 4) and is not the ignored -100",
            targets: [0, -100, target]);

    [Fact]
    public void A_target_of_a_type_that_cannot_be_the_ignored_one()
    {
        RejectsTarget(
            9u,
            9u,
            "targets[1] is 9, which is outside [0, 4) and is not the ignored -100. UInt32 cannot be -100; "
                + "set IgnoreIndex to a value it can hold.");
        RejectsTarget(
            unchecked((uint)-100),
            4294967196u,
            "targets[1] is 4294967196, *. UInt32 cannot be -100; set IgnoreIndex to a value it can hold.");
        RejectsTarget((byte)9, (byte)9, "*. Byte cannot be 300; set IgnoreIndex to a value it can hold.", ignoreIndex: 300);
        RejectsTarget((sbyte)9, (sbyte)9, "*. SByte cannot be -129; set IgnoreIndex to a value it can hold.", ignoreIndex: -129);
        RejectsTarget((sbyte)9, (sbyte)9, "targets[1] is 9, which is outside [0, 4) and is not the ignored -100.");
        RejectsTarget(9u, 9u, "targets[1] is 9, which is outside [0, 4) and is not the ignored 5.", ignoreIndex: 5);
        RejectsTarget(9u, 9u, "targets[1] is 9, which is outside [0, 4).", ignoreIndex: null);
    }

    [Fact]
    public void A_target_that_is_a_letter_is_named_by_its_number()
        => RejectsTarget(
            'A', 65, "targets[1] is 65, which is outside [0, 4) and is not the ignored -100. Char cannot be -100; *.");

    [Fact]
    public void A_value_out_of_range_is_in_the_exception()
    {
        (Action Call, object Value)[] calls =
        [
            (() => PtxLoss.Compute(0, _logits, [0, 1, 4L], 4, 1), 4L),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { Reduction = (LossReduction)7 }), (LossReduction)7),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { Denominator = -1 }), -1.0),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { LabelSmoothing = 1 }), 1.0),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { ZLossCoefficient = -2 }), -2.0),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { LogitSoftCap = double.NaN }), double.NaN),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { LogitScale = 0 }), 0.0),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, null, [0, -3, 0]), -3f),
            (() => PtxLoss.Compute(0, _logits, _targets, 4, 1, new() { MaxDegreeOfParallelism = 0 }), 0),
        ];

        foreach ((Action call, object value) in calls)
        {
            call.Should().Throw<ArgumentOutOfRangeException>().Which.ActualValue.Should().Be(value);
        }
    }

    [Fact]
    public void A_target_that_would_be_ignored_by_default()
        => Rejects(
            "targets",
            "targets[1] is -100, which is outside [0, 4).",
            targets: [0, -100, 1],
            options: new() { IgnoreIndex = null });

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void A_coefficient_that_is_not_finite(double coefficient)
        => Rejects("ptxCoefficient", "ptxCoefficient must be finite", coefficient: coefficient);

    [Theory]
    [InlineData(-1)]
    [InlineData(-double.Epsilon)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_denominator_that_cannot_divide(double denominator)
        => Rejects(
            "options",
            Invariant($"options.Denominator is {denominator}, but must be finite and at least 0, or null."),
            options: new() { Denominator = denominator });

    [Theory]
    [InlineData(new[] { 0, -100, 2 }, "options.Denominator is 0, but 2 tokens count, so it must be above 0")]
    [InlineData(new[] { -100, -100, 2 }, "options.Denominator is 0, but 1 token counts, so it must be above 0")]
    public void A_denominator_of_0_where_tokens_count(int[] targets, string message)
    {
        float[] inPlace = [.. _logits];
        foreach (float[] weights in new float[][] { [], [0, 0, 0.5f] })
        {
            var options = new PtxLossOptions { Denominator = 0 };
            Action[] calls =
            [
                () => PtxLoss.Compute(0, _logits, targets, 4, 1, options, weights),
                () => PtxLoss.ComputeWithGradient(0, _logits, targets, 4, 1, _gradient, options, weights),
                () => PtxLoss.ComputeWithGradient(0, inPlace, targets, 4, 1, inPlace, options, weights),
                () => PtxLoss.ComputeWithGradient(
                    0,
                    new ReadOnlyTensorSpan<float>(_logits, [3, 4]),
                    new ReadOnlyTensorSpan<int>(targets, [3]),
                    1,
                    new TensorSpan<float>(_gradient, [3, 4]),
                    options,
                    weights),
            ];
            foreach (Action call in calls)
            {
                ArgumentOutOfRangeException thrown =
                    call.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("options").Which;
                thrown.Message.Should().Contain(message);
                thrown.ActualValue.Should().Be(0.0);
            }
        }

        _gradient.Should().OnlyContain(x => x == Untouched);
        inPlace.Should().Equal(_logits);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-2)]
    public void A_degree_of_parallelism_that_is_none(int degree)
        => Rejects(
            "options",
            $"options.MaxDegreeOfParallelism is {degree}, but must be -1 (all cores) or at least 1.",
            options: new() { MaxDegreeOfParallelism = degree });

    [Fact]
    public void A_reduction_that_is_none()
        => Rejects(
            "options", "options.Reduction is 7, but must be Mean or Sum.", options: new() { Reduction = (LossReduction)7 });

    [Fact]
    public void A_gradient_of_another_length()
    {
        Action act = () => PtxLoss.ComputeWithGradient(0, _logits, _targets, 4, 1, _gradient.AsSpan(1));

        act.Should().Throw<ArgumentException>().WithParameterName("logitsGradient")
            .WithMessage("logitsGradient has length 11, but needs 12 values, one per logit.*");
        _gradient.Should().OnlyContain(x => x == Untouched);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(11)]
    public void A_gradient_that_overlaps_a_part_of_the_logits(int offset)
    {
        float[] memory = TestData.Logits(40, seed: 2);
        float[] before = [.. memory];
        Action act = () => PtxLoss.ComputeWithGradient(0, memory.AsSpan(14, 12), _targets, 4, 1, memory.AsSpan(14 + offset, 12));
        Action backward = () => CrossEntropy.Backward(
            memory.AsSpan(14, 12),
            _targets,
            4,
            new() { LogSumExp = new double[3] },
            new() { Loss = new double[3] },
            memory.AsSpan(14 + offset, 12));

        foreach (Action call in new[] { act, backward })
        {
            call.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage(
                "*overlaps a part of logits*");
        }

        memory.Should().Equal(before);
    }

    [Fact]
    public void A_gradient_over_what_else_is_read()
    {
        double[] memory = new double[12];
        Action targets = () => PtxLoss.ComputeWithGradient<double, long>(
            0, [1, 2, 3, 4], MemoryMarshal.Cast<double, long>(memory.AsSpan(3, 2)), 2, 1, memory.AsSpan(0, 4));

        targets.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage("*overlaps targets*");
        foreach (string name in new[]
        {
            "forward.LogSumExp", "forward.Entropy", "gradients.Loss", "gradients.LogSumExp", "gradients.Entropy",
        })
        {
            Action backward = () => CrossEntropy.Backward<double, int>(
                [1, 2, 3, 4],
                [0, 1],
                2,
                new() { LogSumExp = Of("forward.LogSumExp"), Entropy = Of("forward.Entropy") },
                new() { Loss = Of("gradients.Loss"), LogSumExp = Of("gradients.LogSumExp"), Entropy = Of("gradients.Entropy") },
                memory.AsSpan(1, 4));

            backward.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage($"*overlaps {name};*");

            Span<double> Of(string span) => span == name ? memory.AsSpan(4, 2) : new double[2];
        }

        memory.Should().OnlyContain(x => x == 0);
    }

    [Fact]
    public void A_gradient_right_behind_the_logits_is_fine()
    {
        float[] memory = TestData.Logits(24, seed: 2);
        Action act = () => PtxLoss.ComputeWithGradient(0, memory.AsSpan(0, 12), _targets, 4, 1, memory.AsSpan(12, 12));
        act.Should().NotThrow();
    }

    [Fact]
    public void An_element_type_that_is_no_logit()
    {
        Action act = () => PtxLoss.Compute(0, [1m, 2m], [0], 2, 1);
        act.Should().Throw<ArgumentException>().WithParameterName("logits").WithMessage(
            "logits of type System.Decimal are not supported*");
    }

    [Theory]
    [InlineData("Loss")]
    [InlineData("LogSumExp")]
    [InlineData("TargetLogit")]
    [InlineData("Entropy")]
    [InlineData("ArgMax")]
    public void An_output_of_another_length(string name)
    {
        double[] fits = [Untouched, Untouched, Untouched];
        Action act = () => CrossEntropy.Forward(_logits, _targets, 4, new CrossEntropyOutputs
        {
            Loss = name == "Loss" ? new double[2] : fits,
            LogSumExp = name == "LogSumExp" ? new double[2] : fits,
            TargetLogit = name == "TargetLogit" ? new double[4] : fits,
            Entropy = name == "Entropy" ? new double[1] : fits,
            ArgMax = name == "ArgMax" ? new int[5] : [],
        });

        act.Should().Throw<ArgumentException>().WithParameterName($"outputs.{name}")
            .WithMessage($"outputs.{name} has length *, but needs 3 values, one per target, or to be empty.*");
        fits.Should().OnlyContain(x => x == Untouched);
    }

    [Theory]
    [InlineData("Loss", "Entropy")]
    [InlineData("Loss", "ArgMax")]
    [InlineData("LogSumExp", "TargetLogit")]
    [InlineData("LogSumExp", "logits")]
    [InlineData("TargetLogit", "logits")]
    [InlineData("TargetLogit", "targets")]
    [InlineData("Entropy", "ArgMax")]
    [InlineData("ArgMax", "logits")]
    [InlineData("ArgMax", "targets")]
    public void An_output_that_overlaps_another_or_what_is_read(string name, string other)
    {
        double[] memory = [.. Enumerable.Repeat((double)Untouched, 5)], logits = new double[12];
        long[] targets = [0, 1, 2];
        Action act = () =>
        {
            Span<double> logitsOf = other == "logits" ? logits : new double[12];
            Span<long> targetsOf = other == "targets" ? targets : [0, 1, 2];
            Span<double> shared = other switch
            {
                "logits" => logits.AsSpan(8, 4), // the last three and one between
                "targets" => MemoryMarshal.Cast<long, double>(targets.AsSpan()),
                _ => memory,
            };
            CrossEntropy.Forward(logitsOf, targetsOf, 4, new CrossEntropyOutputs
            {
                Loss = Of("Loss", shared),
                LogSumExp = Of("LogSumExp", shared),
                TargetLogit = Of("TargetLogit", shared),
                Entropy = Of("Entropy", shared),
                ArgMax = name == "ArgMax" ? MemoryMarshal.Cast<double, int>(shared)[..3]
                    : other == "ArgMax" ? MemoryMarshal.Cast<double, int>(shared).Slice(4, 3)
                    : default,
            });
        };

        string otherName = other is "logits" or "targets" ? other : $"outputs.{other}";
        act.Should().Throw<ArgumentException>().WithParameterName($"outputs.{name}")
            .WithMessage($"outputs.{name} overlaps {otherName}; it needs memory of its own*");
        memory.Should().OnlyContain(x => x == Untouched);
        logits.Should().OnlyContain(x => x == 0);
        targets.Should().Equal(0, 1, 2);

        Span<double> Of(string output, Span<double> shared)
            => output == name ? shared[..3] : output == other ? shared[^3..] : default;
    }

    [Fact]
    public void Outputs_next_to_each_other_are_fine()
    {
        double[] memory = new double[6];

        CrossEntropy.Forward(
            _logits, _targets, 4, new CrossEntropyOutputs { Loss = memory.AsSpan(3), Entropy = memory.AsSpan(0, 3) });

        memory.Should().OnlyContain(x => x > 0);
    }

    [Fact]
    public void Backward_inputs_of_another_length()
    {
        Refused(
            logSumExp: 2,
            name: "forward.LogSumExp",
            message: "forward.LogSumExp has length 2, but needs 3 values, one per target.*");
        Refused(
            logSumExp: 0,
            name: "forward.LogSumExp",
            message: "forward.LogSumExp has length 0, but needs 3 values, one per target.*");
        Refused(
            entropy: 0,
            name: "forward.Entropy",
            message: "forward.Entropy has length 0, but needs 3 values, one per target, where gradients.Entropy is given.*");
        foreach (string output in new[] { "Loss", "LogSumExp", "Entropy" })
        {
            Refused(
                wrong: output,
                name: $"gradients.{output}",
                message: $"gradients.{output} has length 4, but needs 3 values, one per target, or to be empty.*");
        }

        Refused(
            gradient: 11, name: "logitsGradient", message: "logitsGradient has length 11, but needs 12 values, one per logit.*");

        void Refused(string name, string message, int logSumExp = 3, int entropy = 3, string wrong = "", int gradient = 12)
        {
            Action call = () => CrossEntropy.Backward(
                _logits,
                _targets,
                4,
                new() { LogSumExp = new double[logSumExp], Entropy = new double[entropy] },
                new() { Loss = Of("Loss"), LogSumExp = Of("LogSumExp"), Entropy = Of("Entropy") },
                _gradient.AsSpan(0, gradient));
            call.Should().Throw<ArgumentException>().WithParameterName(name).WithMessage(message);

            double[] Of(string output) => new double[output == wrong ? 4 : 3];
        }

        _gradient.Should().OnlyContain(x => x == Untouched);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(-double.Epsilon)]
    [InlineData(1)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NaN)]
    public void A_label_smoothing_out_of_range(double smoothing)
        => Rejects(
            "options",
            Invariant($"options.LabelSmoothing is {smoothing}, but must be in [0, 1)."),
            options: new() { LabelSmoothing = smoothing });

    [Theory]
    [InlineData(-1e-9)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.NaN)]
    public void A_z_loss_coefficient_or_a_soft_cap_out_of_range(double value)
    {
        Rejects(
            "options",
            Invariant($"options.ZLossCoefficient is {value}, but must be finite and at least 0."),
            options: new() { ZLossCoefficient = value });
        Rejects(
            "options",
            Invariant($"options.LogitSoftCap is {value}, but must be finite and at least 0; 0 is off."),
            options: new() { LogitSoftCap = value });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NaN)]
    public void A_logit_scale_out_of_range(double scale)
        => Rejects(
            "options",
            Invariant($"options.LogitScale is {scale}, but must be finite and above 0."),
            options: new() { LogitScale = scale });

    [Theory]
    [InlineData(-1e-9f)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(float.NaN)]
    public void A_token_weight_out_of_range(float weight)
        => Rejects(
            "tokenWeights",
            Invariant($"tokenWeights[1] is {weight}, but must be finite and at least 0."),
            targets: [-100, 1, 2],
            tokenWeights: [float.NaN, weight, float.NaN]);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Token_weights_of_another_length(int length)
        => Rejects(
            "tokenWeights",
            $"tokenWeights has length {length}, but must have 3, one per target, or be empty.",
            tokenWeights: new float[length]);

    [Fact]
    public void A_gradient_over_the_token_weights()
    {
        float[] memory = [.. Enumerable.Repeat(1f, 14)];
        Action act = () => PtxLoss.ComputeWithGradient(
            0, _logits, _targets, 4, 1, memory.AsSpan(2, 12), null, memory.AsSpan(0, 3));

        act.Should().Throw<ArgumentException>().WithParameterName("logitsGradient").WithMessage("*overlaps tokenWeights;*");
        memory.Should().OnlyContain(x => x == 1);
    }

    [Fact]
    public void An_accumulation_in_place()
    {
        float[] inPlace = [.. _logits];
        var options = new PtxLossOptions { AccumulateGradient = true };
        Action compute = () => PtxLoss.ComputeWithGradient(0, inPlace, _targets, 4, 1, inPlace, options);
        Action backward = () => CrossEntropy.Backward(
            inPlace, _targets, 4, new() { LogSumExp = new double[3] }, new() { Loss = new double[3] }, inPlace, options);

        foreach (Action call in new[] { compute, backward })
        {
            call.Should().Throw<ArgumentException>().WithParameterName("options")
                .WithMessage("options.AccumulateGradient is true, but must be false in place*");
        }

        inPlace.Should().Equal(_logits);
    }

    private void RejectsTarget<TTarget>(TTarget target, object value, string message, int? ignoreIndex = -100)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        Action act = () => PtxLoss.Compute(
            0, _logits, [TTarget.One, target, TTarget.One], 4, 1, new() { IgnoreIndex = ignoreIndex });

        ArgumentOutOfRangeException thrown = act.Should().Throw<ArgumentOutOfRangeException>().WithParameterName("targets").Which;
        thrown.ActualValue.Should().Be(value);
        thrown.Message.Split(" (Parameter")[0].Should().Match(message);
    }

    /// <summary>
    /// Checks every entry that takes the arguments: all of them must reject, with the same words, and write nothing.
    /// </summary>
    private void Rejects(
        string parameter,
        string message,
        int[]? targets = null,
        int vocabularySize = 4,
        double? coefficient = null,
        PtxLossOptions? options = null,
        float[]? tokenWeights = null)
    {
        targets ??= _targets;
        double[] output = [.. Enumerable.Repeat((double)Untouched, targets.Length)];
        float[] inPlace = [.. _logits];
        List<Action> calls =
        [
            () => PtxLoss.Compute(0, _logits, targets, vocabularySize, coefficient ?? 1, options, tokenWeights),
            () => PtxLoss.ComputeWithGradient(
                0, _logits, targets, vocabularySize, coefficient ?? 1, _gradient, options, tokenWeights),
            () => PtxLoss.ComputeWithGradient(
                0, inPlace, targets, vocabularySize, coefficient ?? 1, inPlace, options, tokenWeights),
        ];
        if (coefficient is null && tokenWeights is null)
        {
            calls.Add(
                () => CrossEntropy.Forward(_logits, targets, vocabularySize, new CrossEntropyOutputs { Loss = output }, options));
            calls.Add(() => CrossEntropy.Backward(
                _logits, targets, vocabularySize, new() { LogSumExp = output }, new() { Loss = output }, _gradient, options));
        }

        foreach (Action call in calls)
        {
            call.Should().Throw<ArgumentException>().WithParameterName(parameter).And.Message.Should().Contain(message);
        }

        _gradient.Should().OnlyContain(x => x == Untouched);
        output.Should().NotContain(x => x != Untouched);
        inPlace.Should().Equal(_logits);
    }
}
