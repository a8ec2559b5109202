using System.Runtime.CompilerServices;

namespace PtxLosses.Common;

/// <summary>How the methods that loop over logits are compiled.</summary>
internal static class Jit
{
    /// <summary>
    /// Alone, and at once to the end. Inlined into its caller, as a profile would have it where it is hot, a loop finds the
    /// compiler's budget for inlining spent and calls its operations one by one, at a tenth of the speed; and the first calls of
    /// a training run are as large as any other.
    /// </summary>
    public const MethodImplOptions HotLoop = MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization;
}
