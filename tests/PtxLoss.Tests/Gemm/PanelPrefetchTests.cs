namespace PtxLosses.Tests;

/// <summary>The walk over what is packed next, step by step as the micro-kernel takes it.</summary>
public unsafe class PanelPrefetchTests
{
    private const int BytesPerLine = 64;

    [Theory]
    [InlineData(5, 64, false)] // whole lines, of floats and of 16 bits
    [InlineData(5, 65, false)]
    [InlineData(5, 63, true)]
    [InlineData(1, 1, true)]
    public void Each_line_of_each_piece_is_prefetched_once(int pieces, int length, bool byColumns)
    {
        CheckWalk<float>(pieces, length, byColumns);
        CheckWalk<Half>(pieces, length, byColumns);
    }

    [Fact]
    public void An_empty_block_has_no_lines()
    {
        float rest = 0;

        PanelPrefetch.Over(default(MatrixView<float>), &rest).IsDone.Should().BeTrue();
        PanelPrefetch.Over(default(MatrixView<BFloat16>), &rest).IsDone.Should().BeTrue();
    }

    private static void CheckWalk<T>(int pieces, int length, bool byColumns)
        where T : unmanaged
    {
        const int stride = 1000, address = 1 << 20;
        float rest = 0;
        var matrix = new MatrixView<T>((T*)address, pieces, length, stride);
        var walk = PanelPrefetch.Over(byColumns ? matrix.Transposed : matrix, &rest);

        for (int offset = 0; offset < length * sizeof(T); offset += BytesPerLine)
        {
            for (int piece = 0; piece < pieces; piece++)
            {
                walk.IsDone.Should().BeFalse();
                ((nint)walk.Line).Should().Be(address + (piece * stride * sizeof(T)) + offset);
                Step(ref walk);
            }
        }

        walk.IsDone.Should().BeTrue();
        Step(ref walk);
        (walk.Line == (byte*)&rest).Should().BeTrue("there is nothing else to prefetch");
    }

    private static void Step(ref PanelPrefetch walk)
    {
        walk.Line += walk.Stride;
        if (--walk.PiecesLeft == 0)
        {
            walk.Line += walk.Back;
            walk.PiecesLeft = walk.Pieces;
        }

        walk.Count(1);
    }
}
