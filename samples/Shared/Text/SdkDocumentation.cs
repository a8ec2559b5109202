using System.Runtime.InteropServices;
using System.Text;
using System.Xml;

namespace PtxLosses.Samples;

/// <summary>The English in the XML documentation of the installed SDK: the summaries of the base class library.</summary>
internal static class SdkDocumentation
{
    /// <summary>One text per documented member, in the order of the files and of the members in them.</summary>
    /// <exception cref="CorpusException">No installation with reference documentation was found.</exception>
    public static (string Source, IReadOnlyList<string> Summaries) Read()
    {
        string[] roots = [.. CandidateRoots().Distinct(StringComparer.Ordinal)];
        string? directory = roots.Select(ReferenceDirectory).FirstOrDefault(found => found is not null);
        if (directory is null)
        {
            throw new CorpusException(
                $"No XML documentation of the .NET SDK under {string.Join(" or ", roots)}. "
                + "Set DOTNET_ROOT or give a text with --corpus FILE.");
        }

        string[] files = Directory.GetFiles(directory, "*.xml");
        Array.Sort(files, StringComparer.Ordinal);
        string[] summaries = [.. files.AsParallel().AsOrdered().SelectMany(ReadSummaries)];

        // The whole version, 10.0.12 and not 10.0: the text changes between patches.
        string version = new DirectoryInfo(directory).Parent!.Parent!.Name;
        return ($"XML documentation of .NET {version}", summaries);
    }

    private static IEnumerable<string> CandidateRoots()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root)
        {
            yield return root;
        }

        // root/shared/Microsoft.NETCore.App/10.0.0/ holds the runtime that executes this.
        yield return Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

        // A runtime may be installed apart from the SDK; "dotnet run" says which executable started it.
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        IEnumerable<string> executables = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .Prepend(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "");
        foreach (string executable in executables.Where(File.Exists))
        {
            string target = File.ResolveLinkTarget(executable, returnFinalTarget: true)?.FullName ?? executable;
            yield return Path.GetDirectoryName(Path.GetFullPath(target))!;
        }
    }

    /// <summary>The newest root/packs/Microsoft.NETCore.App.Ref/x.y.z/ref/netx.y that holds documentation.</summary>
    private static string? ReferenceDirectory(string root)
    {
        string packs = Path.Combine(root, "packs", "Microsoft.NETCore.App.Ref");
        return !Directory.Exists(packs) ? null : Directory.GetDirectories(packs)
            .OrderByDescending(PackVersion)
            .Select(pack => Path.Combine(pack, "ref"))
            .Where(Directory.Exists)
            .SelectMany(Directory.GetDirectories)
            .FirstOrDefault(directory => Directory.EnumerateFiles(directory, "*.xml").Any());
    }

    private static Version PackVersion(string pack) =>
        Version.TryParse(Path.GetFileName(pack).Split('-')[0], out Version? version) ? version : new Version();

    private static List<string> ReadSummaries(string file)
    {
        var summaries = new List<string>();
        var settings = new XmlReaderSettings { IgnoreComments = true, IgnoreProcessingInstructions = true };
        using var reader = XmlReader.Create(file, settings);
        while (reader.ReadToFollowing("member"))
        {
            // The summaries of hardware intrinsics list C prototypes and instructions, not English.
            string name = reader.GetAttribute("name") ?? "";
            bool english = !name.Contains(":System.Runtime.Intrinsics.", StringComparison.Ordinal);
            if (english && reader.ReadToDescendant("summary") && ReadText(reader) is { Length: > 0 } text)
            {
                summaries.Add(text);
            }
        }

        return summaries;
    }

    /// <summary>The element's text with references replaced by the short names of what they refer to.</summary>
    private static string ReadText(XmlReader reader)
    {
        var text = new StringBuilder();
        using XmlReader element = reader.ReadSubtree();
        while (element.Read())
        {
            if (element.NodeType == XmlNodeType.Element && element.IsEmptyElement)
            {
                text.Append(Reference(element));
            }
            else if (element.NodeType == XmlNodeType.Element && element.Name is "para" or "item")
            {
                text.Append(' ');
            }
            else
            {
                // Empty for every node that is not text.
                text.Append(element.Value);
            }
        }

        return string.Join(' ', text.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static string Reference(XmlReader element) =>
        element.GetAttribute("cref") is { } reference ? ShortName(reference)
        : element.GetAttribute("langword") ?? element.GetAttribute("name") ?? element.GetAttribute("href") ?? " ";

    /// <summary>"M:System.Collections.Generic.List`1.Add(`0)" is "Add", "M:System.Uri.#ctor(System.String)" is "Uri".</summary>
    private static string ShortName(string reference)
    {
        string path = reference.Split('(')[0].Replace(".#ctor", "", StringComparison.Ordinal);
        string last = path[(path.LastIndexOfAny(['.', ':']) + 1)..];
        return last.Split('`')[0];
    }
}
