using System.IO.Compression;
using System.Text;
using System.Xml.Linq;

namespace PtxLosses.PackageTests;

/// <summary>A .nupkg or .snupkg and what is in it.</summary>
internal sealed class PackageFile
{
    public PackageFile(string feed, string id, string extension)
    {
        Path = Directory.GetFiles(feed, $"{id}.*{extension}")
            .Where(path => IsVersion(System.IO.Path.GetFileName(path)[(id.Length + 1)..]))
            .Should().ContainSingle().Subject;
        using ZipArchive archive = ZipFile.OpenRead(Path);
        Entries = archive.Entries.ToDictionary(entry => entry.FullName, Read, StringComparer.Ordinal);
    }

    public string Path { get; }

    public IReadOnlyDictionary<string, byte[]> Entries { get; }

    /// <summary>The entries that are the package's own; the others are how any file of this format describes itself.</summary>
    public IEnumerable<string> Names
        => Entries.Keys.Where(
            name => name is not ("[Content_Types].xml" or "_rels/.rels") && !name.EndsWith(".psmdcp", StringComparison.Ordinal));

    /// <summary>An element of the metadata in the .nuspec.</summary>
    public XElement this[string element]
    {
        get
        {
            string name = Names.Single(name => name.EndsWith(".nuspec", StringComparison.Ordinal));
            using var nuspec = new MemoryStream(Entries[name]);
            XElement metadata = XElement.Load(nuspec).Elements().First();
            return metadata.Element(metadata.Name.Namespace + element)!;
        }
    }

    public string Text(string entry) => Encoding.UTF8.GetString(Entries[entry]);

    /// <summary>One id may be the beginning of another one.</summary>
    private static bool IsVersion(string text) => char.IsAsciiDigit(text[0]);

    private static byte[] Read(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }
}
