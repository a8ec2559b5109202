namespace PtxLosses.Tests;

/// <summary>The working memory of a head: each part has room of its own, within the bytes that were taken.</summary>
public unsafe class HeadScratchTests
{
    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(7, 2, 3, 1)]
    [InlineData(100, 1000, 64, 3)]
    [InlineData(100_000, 50_257, 768, -1)]
    [InlineData(100_000, 33, 17, -1)]
    public void Parts_lie_behind_each_other(int tokens, int vocabularySize, int hiddenSize, int threads)
    {
        const long most = 64 << 20;
        using var scratch = new HeadScratch(tokens, vocabularySize, hiddenSize, most, threads);
        int count = scratch.TokensPerPart;
        (nint Start, long Bytes)[] parts =
        [
            Rows(scratch.Logits, vocabularySize),
            Rows(scratch.Hidden, hiddenSize),
            Rows(scratch.HiddenGradient, hiddenSize),
            ((nint)scratch.Panels, Sgemm.ScratchLength(scratch.Threads) * sizeof(float)),
            ((nint)scratch.Tokens, count * sizeof(long)),
        ];

        for (int i = 1; i < parts.Length; i++)
        {
            (parts[i].Start - parts[i - 1].Start).Should().BeGreaterThanOrEqualTo(
                (nint)parts[i - 1].Bytes, "part {0} starts behind the one before", i);
        }

        (nint start, (nint last, long bytes)) = (parts[0].Start, parts[^1]);
        (start % 64).Should().Be(0);
        ((nint)scratch.Panels % 64).Should().Be(0);
        long ofSchedule = count * sizeof(TokenLosses);
        (last + bytes - start + ofSchedule + 48).Should().BeLessThanOrEqualTo(
            scratch.Bytes, "up to 48 bytes are lost in front of a line");
        scratch.Bytes.Should().BeLessThanOrEqualTo(most);

        (nint, long) Rows(MatrixView<float> matrix, int columns)
        {
            (matrix.Rows, matrix.Columns).Should().Be((count, columns));
            return ((nint)matrix.Start, matrix.Rows * matrix.RowStride * sizeof(float));
        }
    }

    [Fact]
    public void No_more_is_taken_than_allowed_down_to_the_least()
    {
        long least = HeadScratch.Needed(1, 5, 4);
        for (long most = least; most < least + 2000; most += 8)
        {
            using var scratch = new HeadScratch(100, 5, 4, most, maxDegreeOfParallelism: -1);
            scratch.Bytes.Should().BeLessThanOrEqualTo(most);
        }
    }

    [Fact]
    public void Threads_are_those_asked_for_but_no_more_than_cores_or_than_there_is_room_for()
    {
        int all = Math.Min(Environment.ProcessorCount, 40);

        Threads(1, 64 << 20).Should().Be(1);
        Threads(-1, 64 << 20).Should().Be(all);
        Threads(100_000, 64 << 20).Should().Be(all);
        Threads(-1, HeadScratch.Needed(1, 500, 64)).Should().Be(1);

        static int Threads(int asked, long bytes)
        {
            using var scratch = new HeadScratch(10, 500, 64, bytes, asked);
            return Math.Min(scratch.Threads, 40);
        }
    }
}
