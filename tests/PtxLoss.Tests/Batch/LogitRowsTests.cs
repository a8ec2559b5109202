namespace PtxLosses.Tests;

/// <summary>What follows from where rows are. Their memory is not touched, so any address will do.</summary>
public unsafe class LogitRowsTests
{
    private const nint Address = 4096, OtherAddress = 1 << 30;

    [Fact]
    public void No_rows_and_no_targets_take_no_memory()
    {
        new LogitRows<float>((float*)Address, 0, 7).Memory.Should().Be(new MemoryRange(Address, 0));
        new LogitRows<float>((float*)Address, 2, 7).Memory.Should().Be(new MemoryRange(Address, 56));
        new TargetRows<int>((int*)Address, 0, ignoreIndex: null).Memory.Should().Be(new MemoryRange(Address, 0));
        new TargetRows<int>((int*)Address, 3, ignoreIndex: null).Memory.Should().Be(new MemoryRange(Address, 12));
    }

    [Fact]
    public void No_memory_overlaps_none()
    {
        MemoryRange memory = new(Address, 64), none = new(Address + 32, 0);

        memory.Overlaps(none).Should().BeFalse();
        none.Overlaps(memory).Should().BeFalse();
        none.Overlaps(none).Should().BeFalse();
        memory.Overlaps(new(Address + 63, 1)).Should().BeTrue();
        memory.Overlaps(new(Address + 64, 1)).Should().BeFalse();
    }

    [Theory]
    [InlineData(1024, 0, false)] // 32 MB
    [InlineData(1025, 0, true)]
    [InlineData(1025, 2, false)] // stores past the caches must be aligned
    public void A_gradient_larger_than_the_caches_streams(long tokens, int misalignment, bool streams)
    {
        const int vocabularySize = 8192;
        var logits = new LogitRows<float>((float*)Address, tokens, vocabularySize);
        var gradient = new LogitRows<float>((float*)(OtherAddress + misalignment), tokens, vocabularySize);

        gradient.ExceedsCachesBeside(in logits).Should().Be(streams);
        logits.ExceedsCachesBeside(in logits).Should().BeFalse("it is in place");
    }
}
