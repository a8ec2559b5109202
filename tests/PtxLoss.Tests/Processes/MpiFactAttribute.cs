using System.Runtime.CompilerServices;

namespace PtxLosses.Tests;

/// <summary>
/// A test that starts an MPI job, and is skipped where there is no mpirun; not so where PTXLOSS_REQUIRE_MPI is 1, as in CI,
/// which must not pass for want of it.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MpiFactAttribute : FactAttribute
{
    public MpiFactAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Mpi.ReasonToSkip;
}

/// <summary>As <see cref="MpiFactAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MpiTheoryAttribute : TheoryAttribute
{
    public MpiTheoryAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Mpi.ReasonToSkip;
}

file static class Mpi
{
    public static string? ReasonToSkip =>
        InstructionSetTests.IsChild ? "done once, with all instruction sets"
        : Environment.GetEnvironmentVariable("PTXLOSS_REQUIRE_MPI") == "1" || HasMpirun ? null
        : "needs mpirun on the PATH (Debian and Ubuntu: apt-get install openmpi-bin)";

    private static bool HasMpirun => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, "mpirun")));
}
