namespace PtxLosses.Tests;

/// <summary>Each kernel that this machine can run, for each element type, asked for what the options need.</summary>
public class KernelOptionTests
{
    private static readonly double[] _caps = [0, 1, 30];
    private static readonly double[] _uniforms = [0, 0.01];
    private static readonly double[] _entropyFactors = [0, -0.3];
    private static readonly bool[] _either = [false, true];
    private static readonly double[] _specials = [double.NaN, -double.NaN, double.PositiveInfinity];

    public static TheoryData<string, string> Kernels
    {
        get
        {
            var data = new TheoryData<string, string>();
            AddKernels<float>();
            AddKernels<double>();
            AddKernels<Half>();
            AddKernels<BFloat16>();
            return data;

            void AddKernels<TLogit>()
                where TLogit : unmanaged
            {
                foreach (SoftmaxKernel<TLogit> kernel in SoftmaxKernels.Available<TLogit>())
                {
                    data.Add(typeof(TLogit).Name, KernelTests.Name(kernel));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Reductions(string type, string kernel)
    {
        switch (type)
        {
            case nameof(Single):
                CheckReduction<float>(kernel);
                break;
            case nameof(Double):
                CheckReduction<double>(kernel);
                break;
            case nameof(Half):
                CheckReduction<Half>(kernel);
                break;
            default:
                CheckReduction<BFloat16>(kernel);
                break;
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Gradients(string type, string kernel)
    {
        switch (type)
        {
            case nameof(Single):
                CheckGradient<float>(kernel);
                break;
            case nameof(Double):
                CheckGradient<double>(kernel);
                break;
            case nameof(Half):
                CheckGradient<Half>(kernel);
                break;
            default:
                CheckGradient<BFloat16>(kernel);
                break;
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void A_NaN_is_found_wherever_it_stands_and_whichever_it_is(string type, string kernel)
    {
        switch (type)
        {
            case nameof(Single):
                CheckNaN(kernel, BitConverter.UInt32BitsToSingle(0x7F80_0001), BitConverter.UInt32BitsToSingle(0xFF80_0001));
                break;
            case nameof(Double):
                CheckNaN(kernel, double.NaN, -double.NaN);
                break;
            case nameof(Half):
                CheckNaN(kernel, BitConverter.UInt16BitsToHalf(0x7C01), BitConverter.UInt16BitsToHalf(0xFC01));
                break;
            default:
                CheckNaN(kernel, BFloat16.FromUInt16Bits(0x7F81), BFloat16.FromUInt16Bits(0xFF81));
                break;
        }
    }

    public static TheoryData<string> FloatKernels => KernelTests.Kernels;

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void The_mean_of_equal_logits_is_one_of_them(string kernel)
    {
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            float logit = 200 * (random.NextSingle() - 0.5f);
            KernelTests.Find(kernel).Reduce([.. Enumerable.Repeat(logit, 3000)], RowStatistics.Mean, 0, out LogSumExpState sums);

            sums.Mean.Should().BeApproximately(logit, 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void The_mean_of_logits_that_round_alike_when_added_is_right(string kernel)
    {
        // The sum of any two needs a bit more than float has: all additions of pairs are off the same way.
        float low = -MathF.BitIncrement(68), high = -68;
        for (int width = 1; width <= 64; width *= 2)
        {
            float[] row = [.. Enumerable.Range(0, 3000).Select(i => i / width % 2 == 0 ? low : high)];

            KernelTests.Find(kernel).Reduce(row, RowStatistics.Mean, 0, out LogSumExpState sums);

            sums.Mean.Should().BeApproximately(row.Average(x => (double)x), 1e-9);
        }
    }

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void What_a_capped_mean_is_off_by_has_either_sign(string kernel)
    {
        // A row of equal logits far below the largest: each has the same error, up to 7e-6, but the next row has another.
        const int rows = 20_000, length = 300;
        var random = new Random(1);
        double sum = 0;
        for (int i = 0; i < rows; i++)
        {
            double cap = 20 + (80 * random.NextDouble());
            float high = (float)(cap * 4 * (random.NextDouble() - 0.3)), low = high - (float)(cap * random.NextDouble());
            KernelTests.Find(kernel).Reduce(
                [high, .. Enumerable.Repeat(low, length - 1)], RowStatistics.Mean, cap, out LogSumExpState sums);
            sum += (((sums.Mean * length) - Cap(high, cap)) / (length - 1)) - Cap(low, cap);
        }

        (sum / rows).Should().BeApproximately(0, 1.2e-7);
    }

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void A_capped_mean_far_from_the_largest_logit_is_off_by_its_roundings_only(string kernel)
    {
        const int rows = 100;
        var random = new Random(1);
        double sumOfSquares = 0;
        for (int i = 0; i < rows; i++)
        {
            double cap = 5 + (95 * random.NextDouble());
            float[] row = TestData.Logits(3000, seed: i, spread: 0.5 * cap);
            row[0] = (float)(cap * (5 + (13 * random.NextDouble())));
            KernelTests.Find(kernel).Reduce(row, RowStatistics.Mean, cap, out LogSumExpState sums);
            sumOfSquares += Math.Pow((sums.Mean - row.Average(x => Cap(x, cap))) / cap, 2);
        }

        Math.Sqrt(sumOfSquares / rows).Should().BeLessThan(2.7e-7);
    }

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void A_cap_far_out_bounds_no_exponential(string kernel)
    {
        foreach (float peak in new[] { 2, 50, 90, 1000 })
        {
            float[] row = new float[3000];
            row[2000] = peak;

            KernelTests.Find(kernel).Reduce(row, RowStatistics.None, 1e5, out LogSumExpState sums);

            double capped = Cap(peak, 1e5);
            sums.LogSumExp.ShouldBeTheLoss(capped + Math.Log(1 + (2999 * Math.Exp(-capped))));
        }
    }

    [Theory]
    [MemberData(nameof(FloatKernels))]
    public void A_logit_far_beyond_the_cap_has_no_gradient_where_only_the_log_sum_exp_is_known(string kernel)
    {
        foreach (double cap in new[] { 1e-3, 0.5, 5, 30, 1e5 })
        {
            foreach (double beyond in new[] { 20, 45, 60, 100, 1e4, 1e9 })
            {
                float[] row = [.. Enumerable.Repeat((float)(-beyond * cap), 300)], gradient = new float[300];
                row[7] = (float)(beyond * cap);
                double logSumExp = cap + Math.Log(1 + (299 * Math.Exp(-2 * cap)));

                KernelTests.Find(kernel).WriteGradient(
                    new() { Row = row, Gradient = gradient, Reference = logSumExp, Factor = 1, Transform = new(cap, Scale: 1) });

                gradient.Should().OnlyContain(x => x >= 0 && x < 1e-14, "cap {0}, {1} times", cap, beyond);
            }
        }
    }

    [Fact]
    public void A_cap_so_low_that_a_factor_of_halves_leaves_the_range_of_float()
    {
        const double cap = 1e-5;
        foreach (double offset in new[] { 0, -1e-4 })
        {
            Half[] row = [.. TestData.Logits(1500, seed: 1, spread: cap, offset).Select(x => (Half)x)];
            double[] capped = [.. row.Select(x => Cap((double)x, cap))];
            foreach (SoftmaxKernel<Half> kernel in SoftmaxKernels.Available<Half>())
            {
                kernel.Reduce(row, RowStatistics.None, cap, out LogSumExpState plain);
                kernel.Reduce(row, RowStatistics.Mean, cap, out LogSumExpState sums);

                plain.LogSumExp.ShouldBeTheLoss(Math.Log(capped.Sum(Math.Exp)));
                sums.LogSumExp.ShouldBeTheLoss(plain.LogSumExp);
                sums.Mean.Should().BeApproximately(capped.Average(), 1e-6 * cap);
            }
        }
    }

    private static void CheckNaN<TLogit>(string name, params TLogit[] numbers)
        where TLogit : unmanaged
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.Available<TLogit>().Single(kernel => KernelTests.Name(kernel) == name);
        const int length = 347; // whole steps of any width, whole registers and a rest
        for (int i = 0; i < length; i++)
        {
            foreach (TLogit number in numbers)
            {
                TLogit[] row = new TLogit[length];
                row[i] = number;
                foreach ((RowStatistics statistics, double cap) in new[]
                {
                    (RowStatistics.None, 0), (RowStatistics.Mean, 0), (RowStatistics.Entropy, 0), (RowStatistics.None, 30.0),
                })
                {
                    kernel.Reduce(row, statistics, cap, out LogSumExpState sums);
                    sums.LogSumExp.Should().Be(double.NaN, "{0} is at {1}", number, i);
                }
            }
        }
    }

    private static void CheckReduction<TLogit>(string name)
        where TLogit : unmanaged
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.Available<TLogit>().Single(kernel => KernelTests.Name(kernel) == name);
        foreach (TLogit[] row in Rows<TLogit>())
        {
            foreach (double cap in _caps)
            {
                double[] capped = [.. row.Select(x => Cap(ElementConvert.ToDouble(x), cap))];
                double[] unmasked = [.. capped.Where(x => !double.IsNegativeInfinity(x))];
                double max = capped.Max(), sum = capped.Sum(x => Math.Exp(x - max));
                double lse = double.IsNegativeInfinity(max) ? max : max + Math.Log(sum);
                double entropy = -capped.Sum(x => double.IsNegativeInfinity(x) ? 0 : Math.Exp(x - lse) * (x - lse));
                string because = $"row of {row.Length} from {ElementConvert.ToDouble(row[0])}, cap {cap}";

                const RowStatistics all = RowStatistics.Entropy | RowStatistics.ArgMax | RowStatistics.Mean;
                foreach (RowStatistics details in new[] { RowStatistics.None, RowStatistics.Mean, RowStatistics.Entropy, all })
                {
                    kernel.Reduce(row, details, cap, out LogSumExpState sums);
                    sums.LogSumExp.ShouldBeTheLoss(lse, because);
                    if (double.IsNaN(lse) || double.IsNegativeInfinity(lse))
                    {
                        continue;
                    }

                    if (details.HasFlag(RowStatistics.Mean))
                    {
                        sums.Unmasked.Should().Be(unmasked.Length, because);
                        sums.Mean.Should().BeApproximately(unmasked.Average(), 1e-6 * Math.Max(1, Math.Abs(max)), because);
                    }

                    if (details.HasFlag(RowStatistics.Entropy))
                    {
                        sums.Entropy.Should().BeApproximately(entropy, 1e-5, because);
                    }

                    if (details.HasFlag(RowStatistics.ArgMax))
                    {
                        ElementConvert.ToDouble(row[sums.ArgMax]).Should().Be(row.Max(ElementConvert.ToDouble), because);
                    }
                }
            }
        }
    }

    private static void CheckGradient<TLogit>(string name)
        where TLogit : unmanaged
    {
        SoftmaxKernel<TLogit> kernel = SoftmaxKernels.Available<TLogit>().Single(kernel => KernelTests.Name(kernel) == name);
        foreach (TLogit[] row in Rows<TLogit>())
        {
            foreach ((double cap, double uniform, double entropyFactor, bool accumulates, GradientMethod method) in
                from cap in _caps
                from uniform in _uniforms
                from entropyFactor in _entropyFactors
                from accumulates in _either
                from method in Enum.GetValues<GradientMethod>()
                where method == GradientMethod.Recompute || !accumulates
                where method != GradientMethod.ScaleStored || (cap == 0 && entropyFactor == 0 && kernel.Stores(row.Length))
                select (cap, uniform, entropyFactor, accumulates, method))
            {
                TLogit[] gradient = [.. row.Select((_, i) => ElementConvert.FromDouble<TLogit>(i % 5))];
                double[] before = [.. gradient.Select(ElementConvert.ToDouble)];
                ReduceOptions options = KernelCalls.Options(uniform == 0 ? RowStatistics.None : RowStatistics.Mean, cap);
                Run[] runs = kernel.MakeRuns(row.Length);
                kernel.Reduce(row, options, runs, method == GradientMethod.ScaleStored ? gradient : [], out LogSumExpState sums);
                kernel.WriteGradient(new()
                {
                    Row = row,
                    Gradient = gradient,
                    Reference = sums.LogSumExp,
                    Factor = 0.5,
                    EntropyFactor = entropyFactor,
                    Uniform = uniform,
                    Transform = options.Transform,
                    Accumulates = accumulates,
                    Runs = runs,
                    Method = method,
                });
                Thread.MemoryBarrier();
                if (!double.IsFinite(sums.LogSumExp))
                {
                    gradient.Where(x => !double.IsNaN(ElementConvert.ToDouble(x))).Should().BeEmpty();
                    continue;
                }

                double[] capped = [.. row.Select(x => Cap(ElementConvert.ToDouble(x), cap))];
                double[] expected = [.. capped.Select((x, i) => (accumulates ? before[i] : 0) + (double.IsNegativeInfinity(x)
                    ? 0
                    : ((Factor(x) * Math.Exp(x - sums.LogSumExp)) - uniform) * (cap == 0 ? 1 : 1 - (x / cap * (x / cap)))))];
                double unit = Rounding<TLogit>();
                Closeness.ShouldBeClose(
                    [.. gradient.Select(ElementConvert.ToDouble)],
                    expected,
                    i =>
                    {
                        double factor = Math.Abs(Factor(capped[i])), softmax = Math.Exp(capped[i] - sums.LogSumExp);
                        double ofSoftmax = uniform + ((factor + Math.Abs(entropyFactor)) * softmax);
                        return (unit * Math.Abs(expected[i]))
                            + ((cap == 0 ? 1e-5 : 1e-4) * ofSoftmax)
                            + (Subnormal<TLogit>() * (1 + factor));
                    });

                double Factor(double z) => double.IsNegativeInfinity(z) ? 0 : 0.5 - (entropyFactor * (z - sums.LogSumExp));
            }
        }
    }

    private static double Cap(double x, double cap) => cap == 0 || double.IsInfinity(x) ? x : cap * Math.Tanh(x / cap);

    private static double Rounding<TLogit>()
        => typeof(TLogit) == typeof(Half) ? 5e-4 : typeof(TLogit) == typeof(BFloat16) ? 4e-3 : 1e-6;

    private static double Subnormal<TLogit>() => typeof(TLogit) == typeof(Half) ? 3e-8 : 1.2e-38;

    private static IEnumerable<TLogit[]> Rows<TLogit>()
        where TLogit : unmanaged
    {
        foreach (int length in new[] { 5, 256, 257, 1024, 1500, 5003 })
        {
            foreach ((double spread, double offset) in new[] { (3, 0), (20, -40), (2, 10_000.0), (100, 0) })
            {
                yield return Convert(TestData.Logits(length, seed: length, spread, offset));
            }

            float[] masked = TestData.Logits(length, seed: 1);
            for (int i = 0; i < length; i += 3)
            {
                masked[i] = float.NegativeInfinity;
            }

            yield return Convert(masked);
            masked.AsSpan(0, length * 2 / 3).Fill(float.NegativeInfinity);
            yield return Convert(masked);
            yield return Convert([.. Enumerable.Repeat(float.NegativeInfinity, length)]);
            yield return Convert([.. Enumerable.Range(0, length).Select(i => 0.05f * i)]);
            foreach (double special in _specials)
            {
                float[] row = TestData.Logits(length, seed: 2);
                row[length * 2 / 3] = (float)special;
                yield return Convert(row);
            }
        }

        static TLogit[] Convert(float[] row) => [.. row.Select(x => ElementConvert.FromDouble<TLogit>(x))];
    }
}
