using System.Xml.Linq;

namespace PtxLosses.PackageTests;

/// <summary>
/// A copy of what the packages are made from, in another folder: the tests build there, where no other build is at work, and show
/// that the folder leaves no trace. To the build it looks like a clone of <see cref="Origin"/>.
/// </summary>
internal sealed class SourceCopy
{
    public const string Origin = "https://github.com/owner/repository";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private static readonly string[] _files =
    [
        "Directory.Build.props", "Directory.Packages.props", ".editorconfig", "README.md", "CHANGELOG.md", "docs/icon.png",
        "src/Package.targets",
    ];

    private readonly string _root;

    public SourceCopy(string root)
    {
        _root = root;
        foreach (string file in _files.Concat(Packed.Ids.SelectMany(id => FilesBelow($"src/{id}"))))
        {
            string copy = Path.Combine(root, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Path.Combine(Repository.Root, file), copy);
        }

        // Where the repository really is, if that is known, is not what the tests expect.
        XElement properties = XElement.Load(Path.Combine(root, "Directory.Build.props"), LoadOptions.PreserveWhitespace);
        properties.Descendants("RepositoryUrl").Remove();
        Write("Directory.Build.props", properties.ToString(SaveOptions.DisableFormatting));
        Write(".git/HEAD", "ref: refs/heads/main\n");
        Write(".git/refs/heads/main", Commit + "\n");
        Write(".git/objects/.keep", "");
        Write(".git/config", $"[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = {Origin}.git\n");
    }

    /// <summary>From now on nobody knows where the repository is published.</summary>
    public void ForgetOrigin() => Write(".git/config", "[core]\n\trepositoryformatversion = 0\n");

    /// <summary>As a user would, but without analyzers, which take most of the time, and without the network.</summary>
    public async Task Pack(string feed, params string[] options)
    {
        foreach (string id in Packed.Ids)
        {
            await DotNet.Run(
                _root,
                ["pack", $"src/{id}", "-c", "Release", "-o", feed, "-p:RunAnalyzers=false", "-p:NuGetAudit=false", .. options]);
        }
    }

    private static IEnumerable<string> FilesBelow(string folder)
        => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Repository.Root, file))
            .Where(file => !file.Replace('\\', '/').Split('/').Any(part => part is "bin" or "obj"));

    private void Write(string file, string text)
    {
        string path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
