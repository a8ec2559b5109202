using FsCheck;

namespace PtxLosses.Tests;

/// <summary>How often FsCheck draws; what fails is shrunk and printed with its seed.</summary>
internal static class Drawn
{
    /// <summary>So many cases; a quarter of them in each process with an instruction set switched off, which draw others.</summary>
    public static Config Times(int cases)
        => Config.QuickThrowOnFailure.WithMaxTest(InstructionSetTests.IsChild ? cases / 4 : cases);
}
