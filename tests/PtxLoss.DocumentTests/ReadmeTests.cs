using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using FluentAssertions.Execution;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using PtxLosses.Torch.Tests;

namespace PtxLosses.Tests;

/// <summary>
/// Every C# example of the READMEs and of docs/ is compiled as the program it stands for and run; where a text block follows it,
/// that block is what the example prints. Runs alone: it redirects the console.
/// </summary>
[Collection(nameof(ReadmeTests))]
[CollectionDefinition(nameof(ReadmeTests), DisableParallelization = true)]
public partial class ReadmeTests
{
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    /// <summary>As in any project: libraries built against older versions of the framework are no mistake.</summary>
    private static readonly Dictionary<string, ReportDiagnostic> _notWarnedOf = new(StringComparer.Ordinal)
    {
        ["CS1701"] = ReportDiagnostic.Suppress,
        ["CS1702"] = ReportDiagnostic.Suppress,
    };

    private static IEnumerable<string> Documents
        =>
        [
            Path.Combine(Repository.Root, "README.md"),
            .. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md").Order(StringComparer.Ordinal),
            .. Directory.GetFiles(Path.Combine(Repository.Root, "src"), "README.md", SearchOption.AllDirectories)
                .Where(document => !document.Split('/', '\\').Contains("obj")),
        ];

    /// <summary>The number of each example with what it prints, so that a failure names the example.</summary>
    /// <param name="isOnTorch">Those that need libtorch, or the others.</param>
    public static TheoryData<string, int, string, string> Examples(bool isOnTorch)
    {
        var examples = new TheoryData<string, int, string, string>();
        foreach (string document in Documents)
        {
            int number = 0;
            foreach (Match match in Example().Matches(File.ReadAllText(document)))
            {
                number++;
                string code = match.Groups["code"].Value;
                if (code.Contains("TorchSharp", StringComparison.Ordinal) == isOnTorch)
                {
                    examples.Add(Path.GetRelativePath(Repository.Root, document), number, code, match.Groups["output"].Value);
                }
            }
        }

        return examples;
    }

    [Theory]
    [MemberData(nameof(Examples), false)]
    public void Examples_compile_and_print_what_they_say(string document, int number, string code, string output)
    {
        using var scope = new AssertionScope($"example {number} of {document}");

        Run(code).Trim().Should().Be(output.Trim());
    }

    [TorchTheory]
    [MemberData(nameof(Examples), true)]
    public void So_do_those_on_TorchSharp(string document, int number, string code, string output)
        => Examples_compile_and_print_what_they_say(document, number, code, output);

    [Fact]
    public void There_are_examples()
    {
        Examples(isOnTorch: false).Should().HaveCountGreaterThan(20);
        Examples(isOnTorch: true).Should().HaveCountGreaterThan(4);
    }

    [Fact]
    public void The_table_is_the_one_that_the_sample_wrote()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string[] rows = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", "forgetting.md")).Where(
            line => line.StartsWith('|'))];

        rows.Should().HaveCountGreaterThan(3);
        readme.Should().ContainAll(rows);
    }

    [Theory]
    [InlineData("| Forward | 1024x50304 | 2 |", "the loss runs at {0} of the rate")]
    [InlineData("| Forward, bare loop | 1024x50304 | 2 |", "and at {0} of a bare loop")]
    [InlineData("| Gradient in place, bare loop | 1024x50304 | 2 |", "{0} in place")]
    [InlineData("| Gradient to another buffer, bare loop | 1024x50304 | 2 |", "{0} to another buffer")]
    [InlineData("| Gradient in place | 1024x50304 | 2 |", "place at {0} of an in-place multiply")]
    [InlineData("| Gradient to another buffer | 1024x50304 | 2 |", "to another buffer at {0} of a copy")]
    public void Ratios_are_those_that_the_benchmarks_wrote(string row, string claim)
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string ratios = Link().Matches(readme).Select(link => link.Groups["path"].Value)
            .Single(path => path.EndsWith("/ratios.md", StringComparison.Ordinal));
        string line = File.ReadLines(Path.Combine(Repository.Root, ratios)).Single(
            line => line.StartsWith(row, StringComparison.Ordinal));

        readme.Should().Contain(string.Format(CultureInfo.InvariantCulture, claim, line.Split('|')[^2].Trim()));
    }

    [Fact]
    public void So_are_those_on_TorchSharp()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string torch = Link().Matches(readme).Select(link => link.Groups["path"].Value)
            .Single(path => path.EndsWith("/torch.md", StringComparison.Ordinal));
        string[][] rows =
        [
            .. from line in File.ReadLines(Path.Combine(Repository.Root, torch))
               where line.Contains("| 1024x50304 |", StringComparison.Ordinal)
               select line.Split('|').Select(cell => cell.Trim(' ', '×')).ToArray(),
        ];

        readme.Should().Contain($"are {rows[0][5]} times as fast as torch's own, in place {rows[1][5]} times; where the\n"
            + $"allocator keeps what is freed, {rows[0][8]} and {rows[1][8]} times");
    }

    [Fact]
    public void The_table_of_the_head_is_the_one_that_the_benchmarks_wrote()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        string head = Link().Matches(readme).Select(link => link.Groups["path"].Value)
            .Single(path => path.EndsWith("/head.md", StringComparison.Ordinal));
        string[] rows =
        [
            .. File.ReadLines(Path.Combine(Repository.Root, head))
                .SkipWhile(line => !line.StartsWith("## 1024x768x50304, 2 threads", StringComparison.Ordinal)).Skip(1)
                .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))
                .Where(line => line.StartsWith("| loss and gradients ", StringComparison.Ordinal)),
        ];

        rows.Should().HaveCountGreaterThan(3);
        readme.Should().ContainAll(rows);
    }

    [Fact]
    public void The_table_of_peers_is_part_of_the_one_that_the_benchmarks_wrote()
    {
        const string header = "| Whose | What | ";
        string readme = Path.Combine(Repository.Root, "README.md");
        string peers = Link().Matches(File.ReadAllText(readme)).Select(link => link.Groups["path"].Value)
            .Single(path => path.EndsWith("/peers.md", StringComparison.Ordinal));
        string[] measured =
        [
            .. File.ReadLines(Path.Combine(Repository.Root, peers))
                .SkipWhile(
                    line => !line.StartsWith("## Loss and gradient, 1024x50304, 2 threads", StringComparison.Ordinal)).Skip(1)
                .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal)),
        ];
        string[] rows =
        [
            .. File.ReadLines(readme)
                .SkipWhile(line => !line.StartsWith(header, StringComparison.Ordinal)).Skip(2)
                .TakeWhile(line => line.StartsWith('|')),
        ];

        rows.Should().HaveCountGreaterThan(8).And.BeSubsetOf(measured);
    }

    [Fact]
    public void The_table_of_native_code_is_the_one_that_the_benchmarks_wrote()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "native-aot.md"));
        string native = Link().Matches(page).Select(link => link.Groups["path"].Value)
            .Single(path => path.EndsWith("/native.md", StringComparison.Ordinal));
        string[] rows = [.. File.ReadLines(Path.Combine(Repository.Root, "docs", native)).Where(line => line.StartsWith('|'))];

        rows.Should().HaveCountGreaterThan(4);
        page.Should().ContainAll(rows);
    }

    [Fact]
    public void Files_that_the_text_links_to_exist()
    {
        foreach (string document in Directory.GetFiles(Repository.Root, "*.md").Concat(Documents))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(document)))
            {
                Path.Exists(Path.Combine(Path.GetDirectoryName(document)!, link.Groups["path"].Value))
                    .Should().BeTrue("{0} links to {1}", Path.GetFileName(document), link.Groups["path"].Value);
            }
        }
    }

    private static string Run(string code)
    {
        var options = new CSharpParseOptions(LanguageVersion.CSharp14);
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Example",
            [CSharpSyntaxTree.ParseText(ImplicitUsings, options), CSharpSyntaxTree.ParseText(code, options)],
            ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
                .Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(
                OutputKind.ConsoleApplication,
                allowUnsafe: true,
                nullableContextOptions: NullableContextOptions.Enable,
                specificDiagnosticOptions: _notWarnedOf));
        using var image = new MemoryStream();
        compilation.Emit(image).Diagnostics.Where(
            diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning).Should().BeEmpty();

        TextWriter console = Console.Out;
        using var written = new StringWriter();
        Console.SetOut(written);
        try
        {
            MethodInfo main = Assembly.Load(image.ToArray()).EntryPoint!;
            main.Invoke(null, main.GetParameters().Length == 0 ? null : [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(console);
        }

        return written.ToString();
    }

    [GeneratedRegex(
        @"^```csharp\n(?<code>.*?)^```\n(\s*^```text\n(?<output>.*?)^```\n)?",
        RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Example();

    [GeneratedRegex(@"\]\((?!https?:|#)(?<path>[^)#\s]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Link();
}
