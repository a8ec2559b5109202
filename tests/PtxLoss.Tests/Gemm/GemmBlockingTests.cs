namespace PtxLosses.Tests;

/// <summary>Panels fit where they are to stay, whatever the product: what does not would be written over other memory.</summary>
public class GemmBlockingTests
{
    private const int HalfOfFirstLevel = 4096;

    [Theory]
    [InlineData(12, 32)]
    [InlineData(6, 16)]
    [InlineData(6, 8)]
    public void Panels_fit_in_their_room(int panelRows, int panelColumns)
    {
        var blocking = new GemmBlocking(panelRows, panelColumns);
        foreach (long inner in new long[] { 0, 1, 2, 63, 340, 341, 342, 682, 683, 1000, 4096, 50_257, 10_000_000 })
        {
            int depth = blocking.Depth(inner), panelsOfA = blocking.PanelsOfA(depth), panelsOfB = blocking.PanelsOfB(depth);

            (panelRows * depth).Should().BeLessThanOrEqualTo(HalfOfFirstLevel, "{0} steps", inner);
            panelsOfA.Should().BePositive();
            panelsOfB.Should().BePositive();
            ((long)panelsOfA * panelRows * depth).Should().BeLessThanOrEqualTo(GemmBlocking.LengthOfA);
            ((long)panelsOfB * panelColumns * depth).Should().BeLessThanOrEqualTo(GemmBlocking.LengthOfB);
        }
    }

    [Fact]
    public void Steps_are_cut_into_as_few_blocks_as_fit_of_about_one_length()
    {
        var blocking = new GemmBlocking(12, 32);

        new long[] { 0, 1, 340, 341, 342, 682, 683 }.Select(blocking.Depth).Should().Equal(0, 1, 340, 341, 171, 341, 228);
    }
}
