using System.Runtime.CompilerServices;

namespace PtxLosses.Torch.Tests;

/// <summary>Whether libtorch can be loaded here.</summary>
internal static class Libtorch
{
    private static string? _failure;

    /// <summary>
    /// Why tests are skipped, if they are; where PTXLOSS_REQUIRE_TORCH is 1, as in CI, they are not, and fail.
    /// </summary>
    public static string? ReasonToSkip
        => _failure is null || Environment.GetEnvironmentVariable("PTXLOSS_REQUIRE_TORCH") == "1"
            ? null
            : $"libtorch cannot be loaded: {_failure}";

    [ModuleInitializer]
    public static void Load()
    {
        try
        {
            OlderLinux.Prepare();
            torch.InitializeDeviceType(DeviceType.CPU);
            torch.set_num_threads(1); // what is computed is small, and waiting threads would keep cores from others
        }
        catch (Exception e)
        {
            _failure = e.Message.Split('\n')[0];
        }
    }
}

/// <summary>A test that needs libtorch.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TorchFactAttribute : FactAttribute
{
    public TorchFactAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Libtorch.ReasonToSkip;
}

/// <summary>As <see cref="TorchFactAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TorchTheoryAttribute : TheoryAttribute
{
    public TorchTheoryAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
        : base(file, line) => Skip = Libtorch.ReasonToSkip;
}
