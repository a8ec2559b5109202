using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Text.Json;

namespace PtxLosses.PackageTests;

/// <summary>The same sources give the same package wherever they lie, and its symbols lead to them.</summary>
[Collection(nameof(Packed))]
public class ReproducibilityTests(Packed packed)
{
    private static readonly Guid _sourceLink = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task Another_folder_gives_the_same_bytes(string id)
    {
        CheckSame(await packed.Package(id), new PackageFile(await packed.FeedFromElsewhere, id, ".nupkg"));
        CheckSame(await packed.Symbols(id), new PackageFile(await packed.FeedFromElsewhere, id, ".snupkg"));
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task The_symbols_are_those_of_the_library(string id)
    {
        using var library = new PEReader([.. (await packed.Package(id)).Entries[$"lib/net10.0/{id}.dll"]]);
        MetadataReader symbols = await ReadSymbols(id);

        CodeViewDebugDirectoryData expected = library.ReadCodeViewDebugDirectoryData(
            library.ReadDebugDirectory().Single(entry => entry.Type == DebugDirectoryEntryType.CodeView));
        new BlobContentId(symbols.DebugMetadataHeader!.Id).Guid.Should().Be(expected.Guid);
    }

    [Theory]
    [ClassData(typeof(PackageIds))]
    public async Task Source_Link_leads_to_every_source_file(string id)
    {
        MetadataReader symbols = await ReadSymbols(id);
        CustomDebugInformation link = symbols.CustomDebugInformation.Select(symbols.GetCustomDebugInformation)
            .Single(information => symbols.GetGuid(information.Kind) == _sourceLink);
        var map = JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(symbols.GetBlobBytes(link.Value))!;

        map["documents"].Should().Equal(new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["/_/*"] = $"https://raw.githubusercontent.com/owner/repository/{SourceCopy.Commit}/*",
        });
        symbols.Documents.Select(document => symbols.GetString(symbols.GetDocument(document).Name))
            .Should().HaveCountGreaterThan(20).And.AllSatisfy(document => document.Should().StartWith($"/_/src/{id}/"));
    }

    private void CheckSame(PackageFile here, PackageFile elsewhere)
    {
        elsewhere.Names.Should().Equal(here.Names);
        foreach (string name in here.Names)
        {
            elsewhere.Entries[name].AsSpan().SequenceEqual(here.Entries[name]).Should().BeTrue("{0} is the same", name);
            Encoding.Latin1.GetString(here.Entries[name]).Should().NotContain(Path.GetFileName(packed.Folder("")));
        }
    }

    private async Task<MetadataReader> ReadSymbols(string id)
    {
        ImmutableArray<byte> image = [.. (await packed.Symbols(id)).Entries[$"lib/net10.0/{id}.pdb"]];
        return MetadataReaderProvider.FromPortablePdbImage(image).GetMetadataReader();
    }
}
