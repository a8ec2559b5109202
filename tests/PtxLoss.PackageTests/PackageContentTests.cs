using System.Buffers.Binary;
using System.Xml.Linq;

namespace PtxLosses.PackageTests;

/// <summary>What is in each package, and what it says of itself.</summary>
[Collection(nameof(Packed))]
public class PackageContentTests(Packed packed)
{
    private static string Version { get; } =
        XElement.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single().Value;

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_has_the_library_its_documentation_and_nothing_else(string id)
    {
        (await packed.Package(id)).Names.Should().BeEquivalentTo(
            $"{id}.nuspec", "README.md", "icon.png", $"lib/net10.0/{id}.dll", $"lib/net10.0/{id}.xml");
        (await packed.Symbols(id)).Names.Should().BeEquivalentTo($"{id}.nuspec", $"lib/net10.0/{id}.pdb");
    }

    [Theory]
    [InlineData("PtxLoss", "System.Numerics.Tensors")]
    [InlineData("PtxLoss.TorchSharp", "PtxLoss", "TorchSharp")]
    public async Task Its_dependencies_are_few_in_the_versions_of_the_repository(string id, params string[] dependencies)
    {
        XElement group = (await packed.Package(id))["dependencies"].Elements().Should().ContainSingle().Subject;

        group.Attribute("targetFramework")!.Value.Should().Be("net10.0");
        group.Elements().Select(dependency => (dependency.Attribute("id")!.Value, dependency.Attribute("version")!.Value))
            .Should().BeEquivalentTo(dependencies.Select(name => (name, Needed(name))));

        // One package is built on the internals of the other: it needs that very version. What others made may be later.
        static string Needed(string dependency) => Packed.Ids.Contains(dependency)
            ? $"[{Version}]"
            : XElement.Load(Path.Combine(Repository.Root, "Directory.Packages.props")).Descendants("PackageVersion")
                .Single(version => version.Attribute("Include")!.Value == dependency).Attribute("Version")!.Value;
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task It_says_what_it_is_and_where_it_comes_from(string id)
    {
        PackageFile package = await packed.Package(id);

        package["id"].Value.Should().Be(id);
        package["version"].Value.Should().Be(Version);
        Path.GetFileName(package.Path).Should().Be($"{id}.{Version}.nupkg");
        Path.GetFileName((await packed.Symbols(id)).Path).Should().Be($"{id}.{Version}.snupkg");
        package["license"].Attribute("type")!.Value.Should().Be("expression");
        package["license"].Value.Should().Be("MIT");
        package["description"].Value.Should().Contain("PPO-ptx");
        package["tags"].Value.Split(' ').Should().Contain(["ppo-ptx", "cross-entropy", "rlhf"]);
        package["readme"].Value.Should().Be("README.md");
        package["icon"].Value.Should().Be("icon.png");
        package["projectUrl"].Value.Should().Be(SourceCopy.Origin);
        package["repository"].Attribute("url")!.Value.Should().Be(SourceCopy.Origin + ".git");
        package["repository"].Attribute("commit")!.Value.Should().Be(SourceCopy.Commit);
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task Its_release_notes_are_those_of_the_changelog(string id)
    {
        PackageFile package = await packed.Package(id);
        string[] changelog = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "CHANGELOG.md"));
        string title = $"## [{package["version"].Value}]";
        if (!changelog.Any(line => line.StartsWith(title, StringComparison.Ordinal)))
        {
            title = "## [Unreleased]";
        }

        IEnumerable<string> section = changelog.SkipWhile(line => !line.StartsWith(title, StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal));

        package["releaseNotes"].Value.ReplaceLineEndings("\n")
            .Should().Be(string.Join('\n', section).Trim()).And.NotBeEmpty();
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task Its_icon_is_a_small_square_picture(string id)
    {
        byte[] icon = (await packed.Package(id)).Entries["icon.png"];

        icon.Should().StartWith([0x89, (byte)'P', (byte)'N', (byte)'G']).And.HaveCountLessThan(20_000);
        BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)).Should().Be(128);
        BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20)).Should().Be(128);
    }
}
