using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.RegularExpressions;
using BenchmarkDotNet.Environments;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Where results go, and how those that are read again are written: the processor, the names of the columns, and a line for each
/// measurement.
/// </summary>
internal sealed class ResultsFolder(string? path)
{
    private const string Header = "work;memory;by;name;shape;threads;milliseconds";

    private readonly string _path = path ?? Path.Combine("benchmarks", "results", Machine.CpuSlug);

    /// <summary>Writes a file for people, and shows it.</summary>
    public void Write(string name, string text)
    {
        WriteFile(name, text);
        Console.WriteLine(text);
    }

    public void WriteFile(string name, string text)
    {
        Directory.CreateDirectory(_path);
        File.WriteAllText(Path.Combine(_path, name), text);
    }

    public void WriteCsv(string name, IEnumerable<Measurement> measurements)
    {
        var lines = measurements.Select(it =>
            $"{it.Work};{it.Memory};{it.By};{it.Name};{it.Shape};{it.Threads};{it.Milliseconds:G5}\n");
        WriteFile(name, $"{Machine.CpuName}\n{Header}\n{string.Concat(lines)}");
    }

    public string ReadCpuName(string csv) => File.ReadLines(Path.Combine(_path, csv)).First();

    public bool Has(string name) => File.Exists(Path.Combine(_path, name));

    public IReadOnlyList<Measurement> ReadCsv(string name) =>
    [
        .. File.ReadLines(Path.Combine(_path, name)).Skip(2).Select(line => line.Split(';')).Select(fields => new Measurement(
            Enum.Parse<Work>(fields[0]),
            fields[2],
            fields[3],
            Shape.Parse(fields[4]),
            int.Parse(fields[5]),
            double.Parse(fields[6])) { Memory = Enum.Parse<OutputMemory>(fields[1]) }),
    ];
}

/// <summary>What measurements depend on besides the code.</summary>
internal static class Machine
{
    public static string CpuName { get; } =
        HostEnvironmentInfo.GetCurrent().Cpu.Value?.ProcessorName?.Trim() ?? "Unknown CPU";

    /// <summary>The name of the processor, fit for a folder.</summary>
    public static string CpuSlug { get; } = Regex.Replace(
        CpuName.ToLowerInvariant(), "[^a-z0-9]+", "-", RegexOptions.None, TimeSpan.FromSeconds(1)).Trim('-');

    private static int VectorBits => Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;

    public static string Describe(int rounds) => Describe(rounds, $"""
        Bare loop: the same exponentials, with a fixed reference and nothing checked; it fails on other logits.
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
