using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace PtxLosses.Tests;

/// <summary>
/// Every path of the dispatch on one machine: the whole suite once more, in processes with instruction sets switched off, which
/// make sure that the switch did what it says. Only what takes gigabytes or several processes is done once.
/// </summary>
public class InstructionSetTests
{
    private const string Marker = "PTXLOSS_EXPECTED_KERNEL";

    /// <summary>Whether this is a process with an instruction set switched off.</summary>
    internal static bool IsChild => Environment.GetEnvironmentVariable(Marker) != null;

    [Theory]
    [InlineData("DOTNET_EnableAVX512", nameof(SimdFloat256))]
    [InlineData("DOTNET_EnableAVX2", nameof(SimdFloat128))]
    [InlineData("DOTNET_EnableHWIntrinsic", "DoubleSoftmax")]
    public void The_suite_passes_without(string variable, string expectedKernel)
    {
        if (IsChild || (!Avx2.IsSupported && expectedKernel == nameof(SimdFloat256)))
        {
            return; // this is such a process already, or the machine has no more than the switch would leave
        }

        RunSuite(variable, "0", expectedKernel);
    }

    /// <summary>No call uses more threads than the machine has cores; this one has eight, as far as the runtime knows.</summary>
    [Fact]
    public void The_suite_passes_with_more_cores()
    {
        if (!IsChild)
        {
            RunSuite("DOTNET_PROCESSOR_COUNT", "8", KernelTests.NameOfBest);
        }
    }

    /// <summary>The runtime has no AVX2 without FMA, so that a kernel of that width need not be tried without.</summary>
    [Fact]
    public void Where_there_is_AVX2_multiplications_and_additions_are_fused()
        => Fma.IsSupported.Should().Be(Avx2.IsSupported);

    /// <summary>Whether this is a process on Arm64 with all its instruction sets.</summary>
    public static bool IsArm64
        => RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            && Environment.GetEnvironmentVariable(Marker) is null or nameof(SimdFloat128);

    /// <summary>The proof that a run for Arm64 (<c>.ci/arm64</c>) is one.</summary>
    [Fact(Skip = "not a process on Arm64 with all its instruction sets", SkipUnless = nameof(IsArm64))]
    public void The_kernel_on_Arm64_is_that_of_AdvSimd()
    {
        AdvSimd.Arm64.IsSupported.Should().BeTrue();
        SimdFloat128.Fuses.Should().BeTrue();
        KernelTests.NameOfBest.Should().Be(nameof(SimdFloat128));
    }

    private static void RunSuite(string variable, string value, string expectedKernel)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList = { "test", typeof(InstructionSetTests).Assembly.Location },
            Environment = { [variable] = value, [Marker] = expectedKernel, [Drawn.Divisor] = "4" },
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();

        process.ExitCode.Should().Be(0, output);
        output.Should().Contain("Passed!");
    }

    [Fact]
    public void The_kernel_is_the_one_that_the_instruction_sets_allow()
    {
        string expected = Environment.GetEnvironmentVariable(Marker)
            ?? (Vector512.IsHardwareAccelerated ? nameof(SimdFloat512)
                : Vector256.IsHardwareAccelerated ? nameof(SimdFloat256)
                : Vector128.IsHardwareAccelerated ? nameof(SimdFloat128)
                : "DoubleSoftmax");

        KernelTests.NameOfBest.Should().Be(expected);
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Vector512.IsHardwareAccelerated} {Vector256.IsHardwareAccelerated} {Vector128.IsHardwareAccelerated}")
            .Should().Be(expected switch
            {
                nameof(SimdFloat512) => "True True True",
                nameof(SimdFloat256) => "False True True",
                nameof(SimdFloat128) => "False False True",
                _ => "False False False",
            });
    }
}
