namespace PtxLosses.Gemm;

/// <summary>How much of a product is worked on at a time, so that what is read again is still in a cache.</summary>
/// <remarks>
/// A panel of A and one of B make a tile of C. The panel of A waits in the first level while all panels of B pass by, which come, as
/// the next panels of A do, from the second.
/// </remarks>
/// <param name="panelRows">Floats of a panel of A for each step of the inner dimension.</param>
/// <param name="panelColumns">The same of B.</param>
internal readonly struct GemmBlocking(int panelRows, int panelColumns)
{
    /// <summary>A core's own caches, in floats: 32 KB and 1 MB. Smaller second levels have a third one near that is fast enough.</summary>
    private const int FirstLevel = 32 * 1024 / sizeof(float), SecondLevel = 1024 * 1024 / sizeof(float);

    /// <summary>Room for the panels of A, and for those of B.</summary>
    public static int LengthOfA => SecondLevel / 2;

    public static int LengthOfB => SecondLevel / 4;

    /// <summary>
    /// Steps of the inner dimension from one addition to C to the next, of which there are <paramref name="inner"/>: the order of the
    /// additions depends on nothing else.
    /// </summary>
    public int Depth(long inner)
    {
        long most = FirstLevel / 2 / panelRows;
        long blocks = Math.Max(1, (inner + most - 1) / most);
        return (int)((inner + blocks - 1) / blocks);
    }

    /// <summary>Panels of A that fit in their room.</summary>
    public int PanelsOfA(int depth) => LengthOfA / (panelRows * Math.Max(1, depth));

    /// <summary>Panels of B that fit in theirs.</summary>
    public int PanelsOfB(int depth) => LengthOfB / (panelColumns * Math.Max(1, depth));
}
