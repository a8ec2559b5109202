using System.Numerics;

namespace PtxLosses.Tests;

/// <summary>The calls that users write must compile, with any integer type of target and any form of memory.</summary>
public class SignatureTests
{
    private static readonly float[] _logits = [1, 2, 3, 4, 5, 6];
    private static readonly double _expected = ScalarReference.Compute<float, int>(1, _logits, [2, 0], 3, 0.1).Total;

    [Fact]
    public void Every_integer_type_of_target()
    {
        Total<sbyte>();
        Total<byte>();
        Total<short>();
        Total<ushort>();
        Total<int>();
        Total<uint>();
        Total<long>();
        Total<ulong>();
        Total<nint>();
        Total<nuint>();
        Total<Int128>();
        Total<UInt128>();

        static void Total<TTarget>()
            where TTarget : unmanaged, IBinaryInteger<TTarget>
            => PtxLoss.Compute(1, _logits, [TTarget.CreateChecked(2), TTarget.Zero], 3, 0.1).Total
                .ShouldBeTheLoss(_expected, typeof(TTarget).Name);
    }

    [Fact]
    public void Targets_beyond_long_are_out_of_range_with_their_own_value()
    {
        Action unsigned = () => PtxLoss.Compute(1, _logits, [0UL, ulong.MaxValue], 3, 0.1);
        Action wide = () => PtxLoss.Compute(1, _logits, [Int128.MinValue, 0], 3, 0.1);

        unsigned.Should().Throw<ArgumentException>().WithMessage("targets[1] is 18446744073709551615, *");
        wide.Should().Throw<ArgumentException>().WithMessage("targets[0] is -170141183460469231731687303715884105728, *");
    }

    [Fact]
    public void Arrays_spans_and_named_arguments()
    {
        int[] targets = [2, 0];
        float[] gradient = new float[6];
        Span<float> logitsSpan = [.. _logits];
        ReadOnlySpan<int> targetsSpan = targets;
        var options = new PtxLossOptions { IgnoreIndex = null };

        PtxLossResult[] results =
        [
            PtxLoss.Compute(1, _logits, targets, 3, 0.1),
            PtxLoss.Compute(rlLoss: 1, logits: _logits, targets: targets, vocabularySize: 3, ptxCoefficient: 0.1, options: options),
            PtxLoss.Compute(1.0, logitsSpan, targetsSpan, 3, 0.1f, null),
            PtxLoss.Compute(1.0, _logits.AsMemory().Span, targets.AsSpan(), vocabularySize: 3, ptxCoefficient: 0.1),
            PtxLoss.Compute(1, [1f, 2f, 3f, 4f, 5f, 6f], [2, 0], 3, 0.1),
            PtxLoss.ComputeWithGradient(1, _logits, targets, 3, 0.1, gradient),
            PtxLoss.ComputeWithGradient(1, _logits, targetsSpan, vocabularySize: 3, ptxCoefficient: 0.1, logitsGradient: gradient.AsSpan()),
            PtxLoss.ComputeWithGradient(1, logitsSpan, targetsSpan, 3, 0.1, logitsSpan),
        ];

        results.Should().AllSatisfy(result => result.Total.Should().BeApproximately(_expected, 1e-6));
    }
}
