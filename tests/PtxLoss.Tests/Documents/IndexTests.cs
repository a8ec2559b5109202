using System.Text.RegularExpressions;

namespace PtxLosses.Tests;

/// <summary>The index of docs/, which is the list of pages of the site as well.</summary>
public partial class IndexTests
{
    [Fact]
    public void The_index_has_each_page_once()
    {
        string docs = Path.Combine(Repository.Root, "docs");
        string index = Path.Combine(docs, "README.md");

        IEnumerable<string> listed = File.ReadLines(index).Select(line => Entry().Match(line)).Where(match => match.Success)
            .Select(match => match.Groups["page"].Value);

        IEnumerable<string> pages = Directory.GetFiles(docs, "*.md")
            .Where(page => page != index).Select(page => Path.GetFileName(page));
        listed.Should().BeEquivalentTo(pages);
    }

    /// <summary>As docs/site/build reads it: <c>- [title](page.md): what it has</c>.</summary>
    [GeneratedRegex(@"^- \[[^]]+\]\((?<page>[^)/]+\.md)\): .", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Entry();
}
