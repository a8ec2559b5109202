using System.Text.RegularExpressions;

namespace PtxLosses.PackageTests;

/// <summary>The README of each package page, which is made of a README.md when the package is packed.</summary>
[Collection(nameof(Packed))]
public partial class PackageReadmeTests(Packed packed)
{
    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_links_to_the_files_of_its_version_and_has_no_images(string id)
    {
        string readme = (await packed.Package(id)).Text("README.md");
        string files = $"{SourceCopy.Origin}/blob/{SourceCopy.Commit}/";
        string[] links = [.. Link().Matches(readme).Select(link => link.Groups["target"].Value)];

        links.Should().HaveCountGreaterThan(3).And.AllSatisfy(link => link.Should().StartWith("https://"));
        links.Where(link => link.StartsWith(files, StringComparison.Ordinal)).Should().NotBeEmpty().And.AllSatisfy(
            link => Path.Exists(
                Path.Combine(Repository.Root, link[files.Length..].Split('#')[0])).Should().BeTrue("{0} leads there", link));
        readme.Should().NotContain("![");
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_has_no_links_to_files_where_nobody_knows_where_they_are(string id)
    {
        string readme = new PackageFile(await packed.FeedWithoutOrigin, id, ".nupkg").Text("README.md");

        Link().Matches(readme).Select(link => link.Groups["target"].Value)
            .Should().NotContain(link => !link.StartsWith("https://", StringComparison.Ordinal));
        readme.Should().NotContain(SourceCopy.Origin).And.Contain("docs/options.md says");
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_is_the_repository_s_without_what_needs_a_clone(string id)
    {
        string folder = id == "PtxLoss" ? "" : $"src/{id}";
        string[] repository = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, folder, "README.md"));
        string[] readme = new PackageFile(await packed.FeedWithoutOrigin, id, ".nupkg").Text("README.md").Split('\n');

        readme.Should().Contain($"    dotnet add package {id}").And.Contain("```csharp");
        readme.Should().NotContain(line => line.Contains("in the package", StringComparison.Ordinal))
            .And.NotContain(line => line.StartsWith("    dotnet run", StringComparison.Ordinal))
            .And.NotContain(line => line.StartsWith("    dotnet test", StringComparison.Ordinal));
        repository.Where(line => line.StartsWith("## ", StringComparison.Ordinal) && line != "## Try it")
            .Should().BeSubsetOf(readme);
        repository.Count(line => line == "<!-- not in the package -->")
            .Should().Be(repository.Count(line => line == "<!-- /not in the package -->"));
    }

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Link();
}
