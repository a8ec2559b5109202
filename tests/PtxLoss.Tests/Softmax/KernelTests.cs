namespace PtxLosses.Tests;

/// <summary>Each kernel that this machine can run, one by one: what another machine would choose.</summary>
public class KernelTests
{
    private const double LogSumExpTolerance = 1e-6;

    public static TheoryData<string> Kernels => [.. Names];

    internal static IEnumerable<string> Names => SoftmaxKernels.Available<float>().Select(Name);

    internal static SoftmaxKernel<float> Find(string name)
        => SoftmaxKernels.Available<float>().Single(kernel => Name(kernel) == name);

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Every_length_matches_the_reference(string name)
    {
        SoftmaxKernel<float> kernel = Find(name);
        foreach (int length in Enumerable.Range(1, 300).Concat([1023, 1024, 1025, 4100, 32_768, 50_257, 151_936]))
        {
            foreach ((double spread, double offset) in new[] { (3, 0), (30, 50), (2, 10_000.0), (2, -10_000) })
            {
                float[] row = TestData.Logits(length, seed: length, spread, offset);
                Check(kernel, row);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void The_maximum_may_stand_in_any_block(string name)
    {
        for (int position = 0; position < 8000; position += 331)
        {
            foreach (float peak in new[] { 3f, 8, 20, 90, 1e4f })
            {
                float[] row = TestData.Logits(8000, seed: position);
                row[position] = peak;
                Check(Find(name), row);
            }
        }
    }

    [Theory]
    [InlineData(float.NegativeInfinity)]
    [InlineData(float.MinValue)]
    [InlineData(-1e9f)]
    public void Masks_in_front_of_a_row_do_not_send_it_to_double(float mask)
    {
        foreach (SoftmaxKernel<float> kernel in SoftmaxKernels.Available<float>()
            .Where(kernel => kernel.MakeRuns(3000).Length > 0))
        {
            foreach (int masked in new[] { 1, 1024, 5000 })
            {
                float[] row = [.. Enumerable.Repeat(mask, masked), .. TestData.Logits(3000, seed: masked)];
                Run[] runs = kernel.MakeRuns(row.Length);
                kernel.Reduce(row, KernelCalls.Options(RowStatistics.None), runs, [], out _);

                runs.TakeWhile(run => run.End > 0).Should().NotContain(run => run.IsInDouble);
                Check(kernel, row);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Rows_that_rise_or_fall_raise_the_reference_again_and_again(string name)
    {
        foreach (float slope in new[] { 1e-4f, 0.01f, 1, -0.01f })
        {
            Check(Find(name), [.. Enumerable.Range(0, 20_000).Select(i => slope * i)]);
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Many_small_terms_beside_a_large_one_are_not_lost(string name)
    {
        // Each small term is just below half an ulp of the large one.
        for (double small = -15; small > -19; small -= 0.05)
        {
            float[] row = [0, .. Enumerable.Repeat((float)small, 2999)];
            Check(Find(name), row);
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void A_search_for_the_worst_loss_stays_below_the_bound(string name)
    {
        // What costs most: terms that are half lost beside a large one, and a block that exceeds the reference by a little.
        double bound = string.Equals(name, "DoubleSoftmax", StringComparison.Ordinal) ? 1e-10 : 6e-7;
        SoftmaxKernel<float> kernel = Find(name);
        var random = new Random(1);
        for (int i = 0; i < Drawn.Fewer(4000); i++)
        {
            float offset = (float)(i % 3 == 0 ? 0 : 200 * (random.NextDouble() - 0.5));
            float low = (float)(offset - 8 - (14 * random.NextDouble()));
            float[] row = [.. Enumerable.Repeat(low, 2048 + (700 * random.Next(4)))];
            row[random.Next(1024)] = offset;
            float peak = (float)(offset + (6.5 * random.NextDouble()));
            for (int peaks = i % 4 == 0 ? 6 : 1; peaks > 0; peaks--)
            {
                row[random.Next(1024, row.Length)] = peak;
            }

            // The small terms first: the judge must not lose what it looks for.
            double expected = peak + Math.Log(row.Order().Sum(x => Math.Exp((double)x - peak)));
            LogSumExp(kernel, row).Should().BeApproximately(expected, bound);
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Masks_and_lowest_numbers(string name)
    {
        const float inf = float.PositiveInfinity;
        SoftmaxKernel<float> kernel = Find(name);
        foreach (int length in new[] { 300, 1024, 5000 })
        {
            float[] masked = [.. Enumerable.Repeat(-inf, length)];
            LogSumExp(kernel, masked).Should().Be(double.NegativeInfinity);
            masked[^1] = 2;
            Check(kernel, masked);
            LogSumExp(kernel, [.. Enumerable.Repeat(float.MinValue, length)]).Should().Be(float.MinValue);
            foreach (float value in new[] { float.NaN, inf })
            {
                float[] row = TestData.Logits(length, seed: 3);
                row[length / 2] = value;
                LogSumExp(kernel, row).Should().Be(double.NaN);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void The_gradient_has_the_same_bits_in_place_and_streamed_and_at_any_alignment(string name)
    {
        SoftmaxKernel<float> kernel = Find(name);
        const int length = 5003;
        float[] row = TestData.Logits(length, seed: 4);
        row[4000] = 40;
        float[] expected = Gradient(kernel, row, new float[length], streams: false);
        for (int offset = 0; offset < 16; offset++)
        {
            float[] memory = new float[length + 16];
            row.CopyTo(memory, offset);
            Span<float> inPlace = memory.AsSpan(offset, length);

            Gradient(kernel, row, new float[length + 16].AsSpan(offset, length), streams: true).ShouldBeIdentical(expected);
            Gradient(kernel, inPlace, inPlace, streams: false).ShouldBeIdentical(expected);
        }
    }

    private static double LogSumExp(SoftmaxKernel<float> kernel, float[] row)
    {
        kernel.Reduce(row, RowStatistics.None, 0, out LogSumExpState sums);
        return sums.LogSumExp;
    }

    private static float[] Gradient(SoftmaxKernel<float> kernel, ReadOnlySpan<float> row, Span<float> gradient, bool streams)
    {
        LogSumExpState sums = kernel.WriteGradient(row, gradient, scale: 0.5, streams);
        double.IsNaN(sums.LogSumExp).Should().BeFalse();
        return gradient.ToArray();
    }

    private static void Check(SoftmaxKernel<float> kernel, float[] row)
    {
        ScalarReference expected = ScalarReference.Compute<float, int>(
            0, row, [0], row.Length, 0.5, new() { IgnoreIndex = null });
        kernel.Reduce(row, RowStatistics.Entropy | RowStatistics.ArgMax, 0, out LogSumExpState sums);

        double tolerance = LogSumExpTolerance * Math.Max(1, Math.Abs(expected.LogSumExp[0]) / 1e9);
        sums.LogSumExp.Should().BeApproximately(expected.LogSumExp[0], tolerance, "row of {0}", row.Length);
        sums.Entropy.Should().BeApproximately(expected.Entropy[0], 1e-5);
        sums.ArgMax.Should().Be(expected.ArgMax[0]);
        LogSumExp(kernel, row).ShouldBeIdentical(sums.LogSumExp);

        // The target's p − 1 is not the kernels' business; the expected p is taken before 1 is subtracted.
        double largest = row.Max();
        double sum = row.Sum(x => Math.Exp(x - largest));
        double[] softmax = [.. row.Select(x => 0.5 * Math.Exp(x - largest) / sum)];
        foreach (bool streams in new[] { false, true })
        {
            Gradient(kernel, row, new float[row.Length], streams).ShouldBeTheGradient(softmax, scale: 0.5);
        }
    }

    internal static string NameOfBest => Name(SoftmaxKernels.For<float>([]));

    internal static string Name<TLogit>(SoftmaxKernel<TLogit> kernel)
        where TLogit : unmanaged
        => kernel is DoubleSoftmax<TLogit> ? "DoubleSoftmax" : kernel.GetType().GetGenericArguments()[0].Name;
}
