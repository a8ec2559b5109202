using System.Globalization;

namespace PtxLosses.Benchmarks;

/// <summary>Arguments of the form <c>--name value</c>, each name any number of times.</summary>
internal sealed class Arguments
{
    private readonly ILookup<string, string> _values;

    public Arguments(string[] args, params string[] names)
    {
        if (args.Length % 2 != 0 || args.Where((_, i) => i % 2 == 0).FirstOrDefault(name => !names.Contains(name)) is not null)
        {
            throw new FormatException($"The arguments are {string.Join(", ", names.Select(name => $"{name} <value>"))}.");
        }

        _values = args.Chunk(2).ToLookup(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
    }

    public IReadOnlyList<string> All(string name) => [.. _values[name]];

    public string? Text(string name) => _values[name].LastOrDefault();

    public int Number(string name, int otherwise)
        => Text(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public Shape Shape(string name, Shape otherwise) => Text(name) is { } text ? Benchmarks.Shape.Parse(text) : otherwise;
}
