using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.RegularExpressions;
using BenchmarkDotNet.Environments;

namespace PtxLosses.Benchmarks;

/// <summary>What measurements depend on besides the code.</summary>
internal static class Machine
{
    public static string CpuName { get; } = HostEnvironmentInfo.GetCurrent().CpuInfo.Value?.ProcessorName?.Trim() ?? "Unknown CPU";

    /// <summary>The name of the processor, fit for a folder.</summary>
    public static string CpuSlug { get; } = Regex.Replace(
        CpuName.ToLowerInvariant(), "[^a-z0-9]+", "-", RegexOptions.None, TimeSpan.FromSeconds(1)).Trim('-');

    private static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    public static string Describe(int rounds) => Describe(rounds, $"""
        Limits use the widest vectors and share rows among threads as PtxLoss does. Logits are float32 and start at a multiple of
        {AlignedFloats.Alignment} bytes. GB/s: the size of the logits in 10^9 bytes, each counted once, per second.
        """);

    /// <param name="rounds">How many there were.</param>
    /// <param name="more">What else to say of the measurements.</param>
    public static string Describe(int rounds, string more) => $"""
        {CpuName}, {Environment.ProcessorCount} cores, {VectorBits}-bit vectors, {RuntimeInformation.OSDescription},
        {RuntimeInformation.FrameworkDescription}, {DateTime.UtcNow:yyyy-MM-dd}.
        Medians of {rounds} rounds; in each round all contenders run in turn, once to wake threads and caches, then timed.
        {more}
        """;
}
