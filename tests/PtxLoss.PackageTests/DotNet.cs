using System.Diagnostics;

namespace PtxLosses.PackageTests;

/// <summary>Runs dotnet and other programs as a user would in a shell.</summary>
internal static class DotNet
{
    /// <summary>Runs <c>dotnet</c> in a folder, and fails with all that it wrote if it fails.</summary>
    public static Task<string> Run(string folder, params string[] arguments) => RunProgram("dotnet", folder, arguments);

    public static async Task<string> RunProgram(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            Environment =
            {
                // Build nodes that stay would keep the folder busy after the test.
                ["MSBUILDDISABLENODEREUSE"] = "1",
                ["DOTNET_CLI_UI_LANGUAGE"] = "en",
            },
        };

        // What the dotnet that runs the tests has told its children is not for a build of its own.
        string[] names = [.. start.Environment.Keys.Where(name => name.StartsWith("MSBuild", StringComparison.Ordinal))];
        foreach (string name in names)
        {
            start.Environment.Remove(name);
        }

        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync() + await errors;
        await process.WaitForExitAsync();

        process.ExitCode.Should().Be(0, "{0} {1} wrote: {2}", program, string.Join(' ', arguments), output);
        return output;
    }
}
