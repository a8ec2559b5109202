using System.Reflection;

namespace PtxLosses.PackageTests;

/// <summary>A program of these tests in a folder of its own, with a package from a feed and a cache of its own.</summary>
internal sealed class Consumer
{
    private readonly string _program, _folder, _version;

    /// <param name="program">The folder in which the program is, and its name.</param>
    /// <param name="folder">The folder to make.</param>
    /// <param name="package">The package that it uses.</param>
    public Consumer(string program, string folder, PackageFile package)
    {
        (_program, _folder, _version) = (program, folder, $"-p:PtxLossVersion={package["version"].Value}");
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, program)))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        LinkRestoredPackages();
        File.WriteAllText(Path.Combine(folder, "nuget.config"), Configuration(Path.GetDirectoryName(package.Path)!));
    }

    /// <summary>Where the packages were restored to that were not there before.</summary>
    public string Packages => Path.Combine(_folder, "packages");

    /// <summary>Where the program is.</summary>
    public string OutputFolder => Path.Combine(_folder, "output");

    /// <summary>Links to what was there before; not below the program, whose sources would include those of packages.</summary>
    private string Restored => $"{_folder}-restored";

    /// <summary>What the program wrote.</summary>
    public string Output { get; private set; } = "";

    /// <summary>Builds the program, and runs it.</summary>
    public async Task Build()
    {
        await Restore();
        await DotNet.Run(_folder, "build", "-c", "Release", "--no-restore", "-o", OutputFolder, _version);
        Output = await DotNet.Run(_folder, Path.Combine(OutputFolder, $"{_program}.dll"));
    }

    /// <summary>Publishes the program for this machine, self-contained, and runs it.</summary>
    public async Task Publish(string option)
    {
        await Restore(option);
        await DotNet.Run(
            _folder, "publish", "-c", "Release", "-r", Metadata("RuntimeIdentifier"), "--self-contained", "--no-restore",
            "-o", OutputFolder, _version, option);
        Output = await DotNet.RunProgram(Path.Combine(OutputFolder, _program), _folder);
    }

    /// <summary>What the build of the tests knew, from their project file.</summary>
    private static string Metadata(string key)
        => typeof(Consumer).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(metadata => metadata.Key == key).Value!;

    private Task<string> Restore(params string[] options)
        => DotNet.Run(_folder, ["restore", "-p:NuGetAudit=false", _version, .. options]); // the audit would ask the network

    /// <summary>
    /// Libtorch, runtimes and compilers, which are up to half a GB each, are used where they were restored with these tests;
    /// but no PtxLoss, which comes from the feed alone.
    /// </summary>
    private void LinkRestoredPackages()
    {
        DirectoryInfo restored = Directory.CreateDirectory(Restored);
        if (OperatingSystem.IsWindows())
        {
            return; // where links need a privilege; everything is copied
        }

        foreach (string package in Directory.GetDirectories(Metadata("NuGetPackageRoot")))
        {
            string name = Path.GetFileName(package);
            if (!name.StartsWith("ptxloss", StringComparison.OrdinalIgnoreCase))
            {
                Directory.CreateSymbolicLink(Path.Combine(restored.FullName, name), package);
            }
        }
    }

    /// <summary>The packages from the feed alone; the rest from what was restored with these tests, or from nuget.org.</summary>
    private string Configuration(string feed)
        => $"""
            <configuration>
              <config>
                <add key="globalPackagesFolder" value="packages" />
              </config>
              <fallbackPackageFolders>
                <clear />
                <add key="linked" value="{Restored}" />
              </fallbackPackageFolders>
              <packageSources>
                <clear />
                <add key="packed" value="{feed}" />
                <add key="restored" value="{Metadata("NuGetPackageRoot")}" />
                <add key="nuget.org" value="https://api.nuget.org/v3/index.json" protocolVersion="3" />
              </packageSources>
              <packageSourceMapping>
                <packageSource key="packed">
                  <package pattern="PtxLoss" />
                  <package pattern="PtxLoss.*" />
                </packageSource>
                <packageSource key="restored">
                  <package pattern="*" />
                </packageSource>
                <packageSource key="nuget.org">
                  <package pattern="*" />
                </packageSource>
              </packageSourceMapping>
            </configuration>
            """;
}
