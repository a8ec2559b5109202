namespace PtxLosses.Tests;

/// <summary>
/// Packed blocks fit where they are to stay, whatever the product: what does not would be written over other memory.
/// </summary>
public class GemmBlockingTests
{
    private const int HalfOfFirstLevel = 4096;

    [Theory]
    [InlineData(12, 32, 12)]
    [InlineData(6, 16, 8)]
    [InlineData(6, 8, 8)]
    [InlineData(12, 8, 12)]
    public void Packed_blocks_fit_in_their_room(int mr, int nr, int packMR)
    {
        var blocking = new GemmBlocking(mr, nr, packMR);
        foreach (long k in new long[] { 0, 1, 2, 63, 340, 341, 342, 682, 683, 1000, 4096, 50_257, 10_000_000 })
        {
            int kc = blocking.KC(k), mc = blocking.MC(kc), nc = blocking.NC(kc);

            (packMR * kc).Should().BeLessThanOrEqualTo(HalfOfFirstLevel, "k is {0}", k);
            (mc % mr, nc % nr).Should().Be((0, 0));
            mc.Should().BePositive();
            nc.Should().BePositive();
            ((long)mc / mr * packMR * kc).Should().BeLessThanOrEqualTo(GemmBlocking.PackedA);
            ((long)nc * kc).Should().BeLessThanOrEqualTo(GemmBlocking.PackedB);
        }
    }

    [Fact]
    public void K_is_cut_into_as_few_blocks_as_fit_of_about_one_length()
    {
        var blocking = new GemmBlocking(12, 32, 12);

        new long[] { 0, 1, 340, 341, 342, 682, 683 }.Select(blocking.KC).Should().Equal(1, 1, 340, 341, 171, 341, 228);
    }

    [Theory]
    [InlineData(256, 50304, 768, 2)]
    [InlineData(256, 768, 50304, 2)]
    [InlineData(256, 768, 50304, 16)]
    [InlineData(50304, 768, 256, 16)]
    [InlineData(16, 4096, 128256, 16)]
    [InlineData(1, 1, 1, 7)]
    [InlineData(1000, 64, 256, 3)]
    [InlineData(1_000_003, 3, 100, 5)]
    public void Tasks_cover_C_once_and_keep_all_threads_busy(long m, long n, long k, int threads)
    {
        foreach (SgemmKernel kernel in Sgemm.Kernels)
        {
            var partition = GemmPartition.Choose(kernel.Blocking, m, n, k, threads);

            partition.Tasks.Should().BeGreaterThanOrEqualTo(partition.Threads);
            partition.BlockRows.Should().BeLessThanOrEqualTo(kernel.Blocking.MC(kernel.Blocking.KC(k)));
            long area = 0;
            for (long task = 0; task < partition.Tasks; task++)
            {
                (long row, long column) = partition.Start(task);
                row.Should().BeLessThan(m);
                column.Should().BeLessThan(n);
                area += Math.Min(partition.BlockRows, m - row) * Math.Min(partition.BlockColumns, n - column);
            }

            area.Should().Be(m * n);
        }
    }
}
