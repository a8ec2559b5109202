namespace PtxLosses.Benchmarks;

/// <summary>
/// Where results go, and how those that are read again are written: the processor, the names of the columns, and a line for each
/// measurement.
/// </summary>
internal sealed class ResultsFolder(string? path)
{
    private const string Header = "work;by;name;shape;threads;milliseconds";

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
            $"{it.Work};{it.By};{it.Name};{it.Shape};{it.Threads};{it.Milliseconds:G5}\n");
        WriteFile(name, $"{Machine.CpuName}\n{Header}\n{string.Concat(lines)}");
    }

    public string ReadCpuName(string csv) => File.ReadLines(Path.Combine(_path, csv)).First();

    public bool Has(string name) => File.Exists(Path.Combine(_path, name));

    public IReadOnlyList<Measurement> ReadCsv(string name) =>
    [
        .. File.ReadLines(Path.Combine(_path, name)).Skip(2).Select(line => line.Split(';')).Select(fields => new Measurement(
            Enum.Parse<Work>(fields[0]),
            fields[1],
            fields[2],
            Shape.Parse(fields[3]),
            int.Parse(fields[4]),
            double.Parse(fields[5]))),
    ];
}
