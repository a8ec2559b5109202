namespace PtxLosses.Tests;

/// <summary>Offsets and overlaps of rows, against a search. Strides are any, also those that tensors refuse.</summary>
public unsafe class RowLayoutTests
{
    [Fact]
    public void Offsets_are_those_of_the_indices()
    {
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        foreach ((nint[] lengths, nint[] strides) in Layouts(count: 2000))
        {
            var rows = new RowLayout(lengths, strides, room);
            long[] expected = Offsets(lengths, strides);

            Enumerable.Range(0, expected.Length).Select(row => rows.Of(row)).Should().Equal(expected);
            rows.Count.Should().Be(expected.Length);
            rows.Last.Should().Be(expected.Length == 0 ? 0 : expected.Max());
        }
    }

    [Fact]
    public void Overlaps_are_found()
    {
        int disjoint = 0;
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        foreach ((nint[] lengths, nint[] strides) in Layouts(count: 2000))
        {
            var rows = new RowLayout(lengths, strides, room);
            long[] offsets = Offsets(lengths, strides);
            for (int rowLength = 1; rowLength <= 3; rowLength++)
            {
                if (offsets.Length == 0 || RowLayoutOverlap.WithinOne(in rows, rowLength))
                {
                    continue; // the latter may be said of rows that do not, but not the other way round
                }

                disjoint++;
                Touch(offsets, offsets, rowLength).Should().Be(offsets.Length, "each row only touches itself");
                for (int distance = -60; distance <= 60; distance++)
                {
                    long[] moved = [.. offsets.Select(offset => offset + distance)];
                    RowLayoutOverlap.WhenMoved(in rows, rowLength, distance).Should().Be(
                        Touch(offsets, moved, rowLength) > 0,
                        "of rows of {0} at {1} by {2}, moved by {3}",
                        rowLength,
                        string.Join(", ", strides),
                        string.Join(", ", lengths),
                        distance);
                }
            }
        }

        disjoint.Should().BeGreaterThan(500);
    }

    [Theory]
    [InlineData(new[] { 4, 5 }, new[] { 35, 7 }, 1)]
    [InlineData(new[] { 4, 5 }, new[] { 36, 7 }, 2)]
    [InlineData(new[] { 2, 3, 4 }, new[] { 84, 28, 7 }, 1)]
    [InlineData(new[] { 2, 3, 4 }, new[] { 90, 28, 7 }, 2)]
    [InlineData(new[] { 2, 1, 4 }, new[] { 28, 0, 7 }, 1)]
    [InlineData(new[] { 3, 4 }, new[] { 0, 0 }, 1)]
    [InlineData(new[] { 1, 1 }, new[] { 0, 0 }, 1)]
    [InlineData(new[] { 0, 3 }, new[] { 0, 7 }, 1)]
    public void Dimensions_are_as_few_as_strides_allow(int[] lengths, int[] strides, int expected)
    {
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        nint[] nativeLengths = [.. lengths.Select(x => (nint)x)], nativeStrides = [.. strides.Select(x => (nint)x)];

        new RowLayout(nativeLengths, nativeStrides, room).DimensionCount.Should().Be(expected);
    }

    [Fact]
    public void Offsets_beyond_int()
    {
        Dimension* room = stackalloc Dimension[RowLayout.MaxDimensions];
        nint stride = 2_000_000_000;
        var rows = new RowLayout([40, 3], [4 * stride, stride], room);

        rows.Of(119).Should().Be(((39 * 4) + 2) * 2_000_000_000L);
        rows.Last.Should().Be(rows.Of(119));
        new RowLayout(100_000, 262_144).Of(99_999).Should().Be(99_999L * 262_144);
    }

    private static IEnumerable<(nint[] Lengths, nint[] Strides)> Layouts(int count)
    {
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            int rank = random.Next(4);
            yield return (
                [.. Enumerable.Range(0, rank).Select(_ => (nint)random.Next(random.Next(8) == 0 ? 0 : 1, 4))],
                [.. Enumerable.Range(0, rank).Select(_ => (nint)random.Next(20))]);
        }
    }

    private static long[] Offsets(nint[] lengths, nint[] strides)
    {
        IEnumerable<long> offsets = [0];
        for (int i = 0; i < lengths.Length; i++)
        {
            int length = (int)lengths[i];
            long stride = strides[i];
            offsets = offsets.SelectMany(_ => Enumerable.Range(0, length), (offset, index) => offset + (index * stride));
        }

        return [.. offsets];
    }

    private static int Touch(long[] left, long[] right, int rowLength)
        => left.Sum(offset => right.Count(other => Math.Abs(offset - other) < rowLength));
}
