namespace PtxLosses.Tests;

/// <summary>What matrices have in common, by their addresses.</summary>
public unsafe class MatrixViewTests
{
    private static readonly nint _address = 1 << 20;

    [Theory]
    [InlineData(0, 10, false)] // halves of wider rows
    [InlineData(0, 9, true)] // are as far apart
    [InlineData(4, 10, false)] // with a gap on one side
    [InlineData(2, 10, false)] // or on both
    [InlineData(5, 10, true)] // up to the last byte
    [InlineData(-1, 10, true)]
    public void Rows_side_by_side_have_nothing_in_common(int misalignment, long otherStride, bool expected)
    {
        MatrixView<float> left = View(0, 4, 5, 10), right = View(5, 4, 4, otherStride, misalignment);

        left.Overlaps(in right).Should().Be(expected);
        right.Overlaps(in left).Should().Be(expected);
    }

    [Theory]
    [InlineData(20, 20, 10, false)] // halves of wider rows
    [InlineData(20, 20, 11, true)]
    [InlineData(18, 20, 10, true)]
    [InlineData(-20, 20, 10, false)]
    [InlineData(20, 19, 10, true)] // as far apart in bytes
    [InlineData(20, 10, 5, true)] // and not in elements
    [InlineData(160, 10, 10, false)] // elsewhere
    [InlineData(156, 10, 10, false)] // in the gap behind the last row
    [InlineData(138, 10, 10, true)]
    public void Elements_of_two_sizes_overlap_by_their_bytes(int distance, long otherStride, long otherColumns, bool expected)
    {
        MatrixView<float> left = View(0, 4, 5, 10);
        var right = new MatrixView<BFloat16>((BFloat16*)(_address + distance), 4, otherColumns, otherStride);

        left.Overlaps(in right).Should().Be(expected);
        right.Overlaps(in left).Should().Be(expected);
    }

    [Fact]
    public void A_row_may_have_stride_0()
    {
        MatrixView<float> row = View(0, 1, 5, 0), next = View(5, 1, 5, 0), within = View(4, 1, 5, 0);

        row.Overlaps(in next).Should().BeFalse();
        row.Overlaps(in within).Should().BeTrue();
    }

    [Fact]
    public void Without_rows_or_columns_there_is_no_memory()
    {
        View(0, 0, 5, 5).IsEmpty.Should().BeTrue();
        View(0, 2, 0, 5).IsEmpty.Should().BeTrue();
        View(0, 2, 5, 5).IsEmpty.Should().BeFalse();
        View(0, 0, 5, 7).Memory.Bytes.Should().Be(0);
        View(0, 2, 0, 5).Memory.Bytes.Should().Be(0);
        View(0, 2, 4, 5).Memory.Bytes.Should().Be(36);
    }

    [Fact]
    public void Clear_ends_with_the_last_row_and_leaves_gaps_alone()
    {
        float[] memory = [.. Enumerable.Repeat(7f, 12)];
        fixed (float* start = memory)
        {
            new MatrixView<float>(start, 2, 3, 4).Clear();
        }

        memory.Should().Equal(0, 0, 0, 7, 0, 0, 0, 7, 7, 7, 7, 7);
    }

    private static MatrixView<float> View(int start, long rows, long columns, long stride, int misalignment = 0)
        => new((float*)(_address + (start * sizeof(float)) + misalignment), rows, columns, stride);
}
