using System.Runtime.CompilerServices;

namespace PtxLosses.PackageTests;

/// <summary>Whether programs can be published as native code here: .NET's compiler needs the linker of a C compiler.</summary>
internal static class NativeToolchain
{
    /// <summary>
    /// Why tests are skipped, if they are; where PTXLOSS_REQUIRE_AOT is 1, as in CI, they are not, and fail.
    /// </summary>
    public static string? ReasonToSkip
        => Environment.GetEnvironmentVariable("PTXLOSS_REQUIRE_AOT") == "1" || IsThere ? null
            : "needs clang or gcc (Debian and Ubuntu: apt-get install clang zlib1g-dev), or Visual Studio's C++ tools";

    private static bool IsThere
        => OperatingSystem.IsWindows()
            ? File.Exists(
                Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.ProgramFilesX86),
                    "Microsoft Visual Studio", "Installer", "vswhere.exe"))
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
                .Any(folder => File.Exists(Path.Combine(folder, "clang")) || File.Exists(Path.Combine(folder, "gcc")));
}

/// <summary>A test that needs it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NativeFactAttribute : FactAttribute
{
    public NativeFactAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = NativeToolchain.ReasonToSkip;
}
