namespace PtxLosses.Tests;

/// <summary>The form of the code, as far as neither compiler nor formatter look at it.</summary>
public class SourceTests
{
    /// <summary>What <c>.editorconfig</c> says of C#, and an editor shows.</summary>
    private const int MaxLineLength = 130;

    [Fact]
    public void No_line_is_longer_than_the_screen()
    {
        string[] files = [.. Sources(Repository.Root)];

        files.Should().HaveCountGreaterThan(200);
        files.SelectMany(LongLines).Should().BeEmpty("a line has {0} characters at most", MaxLineLength);
        File.ReadAllText(Path.Combine(Repository.Root, ".editorconfig")).Should().Contain($"max_line_length = {MaxLineLength}\n");
    }

    private static IEnumerable<string> LongLines(string file)
        => File.ReadLines(file)
            .Select((line, i) => (line.Length, Number: i + 1))
            .Where(line => line.Length > MaxLineLength)
            .Select(line => $"{Path.GetRelativePath(Repository.Root, file)}:{line.Number} has {line.Length}");

    /// <summary>What is committed, and not what is generated or built.</summary>
    private static IEnumerable<string> Sources(string folder)
        => Directory.EnumerateDirectories(folder)
            .Where(inner => Path.GetFileName(inner) is not ("bin" or "obj" or "BenchmarkDotNet.Artifacts" or ['.', ..]))
            .SelectMany(Sources)
            .Concat(Directory.EnumerateFiles(folder, "*.cs"));
}
