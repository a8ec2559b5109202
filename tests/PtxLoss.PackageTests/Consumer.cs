using System.Reflection;

namespace PtxLosses.PackageTests;

/// <summary>
/// The program in Consumer/, with the package from a feed and a cache of its own: built, and published trimmed.
/// </summary>
internal sealed class Consumer
{
    private readonly string _folder;

    private Consumer(string folder) => _folder = folder;

    /// <summary>Where its packages were restored to.</summary>
    public string Packages => Path.Combine(_folder, "packages");

    /// <summary>What the program wrote.</summary>
    public string Output { get; private init; } = "";

    /// <summary>What the trimmed, self-contained program wrote.</summary>
    public string TrimmedOutput { get; private init; } = "";

    public static async Task<Consumer> Build(string folder, PackageFile package)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Consumer")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "nuget.config"), Configuration(Path.GetDirectoryName(package.Path)!));
        string version = $"-p:PtxLossVersion={package["version"].Value}";
        await DotNet.Run(folder, "restore", "-p:NuGetAudit=false", version); // which would ask the network
        await DotNet.Run(folder, "build", "-c", "Release", "--no-restore", "-o", "built", version);
        Task<string> output = DotNet.Run(folder, "built/Consumer.dll");
        await DotNet.Run(
            folder, "publish", "-c", "Release", "-r", Metadata("RuntimeIdentifier"), "--self-contained", "--no-restore",
            "-o", "published", version);
        return new Consumer(folder)
        {
            Output = await output,
            TrimmedOutput = await DotNet.RunProgram(Path.Combine(folder, "published", "Consumer"), folder),
        };
    }

    /// <summary>What the build of the tests knew, from their project file.</summary>
    private static string Metadata(string key)
        => typeof(Consumer).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(metadata => metadata.Key == key).Value!;

    /// <summary>PtxLoss from the feed alone; the rest from what was restored with these tests, or from nuget.org.</summary>
    private static string Configuration(string feed)
        => $"""
            <configuration>
              <config>
                <add key="globalPackagesFolder" value="packages" />
              </config>
              <fallbackPackageFolders>
                <clear />
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
