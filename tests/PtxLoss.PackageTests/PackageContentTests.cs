using System.Buffers.Binary;
using System.Xml.Linq;

namespace PtxLosses.PackageTests;

/// <summary>What is in the package, and what it says of itself.</summary>
[Collection(nameof(Packed))]
public class PackageContentTests(Packed packed)
{
    [Fact]
    public async Task It_has_the_library_its_documentation_and_nothing_else()
    {
        (await packed.Package()).Names.Should().BeEquivalentTo(
            "PtxLoss.nuspec", "README.md", "icon.png", "lib/net10.0/PtxLoss.dll", "lib/net10.0/PtxLoss.xml");
        (await packed.Symbols()).Names.Should().BeEquivalentTo("PtxLoss.nuspec", "lib/net10.0/PtxLoss.pdb");
    }

    [Fact]
    public async Task Its_only_dependency_is_that_on_tensors_in_the_version_of_the_repository()
    {
        XElement group = (await packed.Package())["dependencies"].Elements().Should().ContainSingle().Subject;
        XElement dependency = group.Elements().Should().ContainSingle().Subject;

        group.Attribute("targetFramework")!.Value.Should().Be("net10.0");
        dependency.Attribute("id")!.Value.Should().Be("System.Numerics.Tensors");
        dependency.Attribute("version")!.Value.Should().Be(
            XElement.Load(Path.Combine(Repository.Root, "Directory.Packages.props")).Descendants("PackageVersion")
                .Single(version => version.Attribute("Include")!.Value == "System.Numerics.Tensors").Attribute("Version")!.Value);
    }

    [Fact]
    public async Task It_says_what_it_is_and_where_it_comes_from()
    {
        PackageFile package = await packed.Package();
        XElement version = XElement.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single();

        package["id"].Value.Should().Be("PtxLoss");
        package["version"].Value.Should().Be(version.Value);
        Path.GetFileName(package.Path).Should().Be($"PtxLoss.{version.Value}.nupkg");
        Path.GetFileName((await packed.Symbols()).Path).Should().Be($"PtxLoss.{version.Value}.snupkg");
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

    [Fact]
    public async Task Its_release_notes_are_those_of_the_changelog()
    {
        PackageFile package = await packed.Package();
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

    [Fact]
    public async Task Its_icon_is_a_small_square_picture()
    {
        byte[] icon = (await packed.Package()).Entries["icon.png"];

        icon.Should().StartWith([0x89, (byte)'P', (byte)'N', (byte)'G']).And.HaveCountLessThan(20_000);
        BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)).Should().Be(128);
        BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20)).Should().Be(128);
    }
}
