using System.CommandLine;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using PtxLosses.Benchmarks.Native;

if (args is [Turns.Verb, var tokens, var vocabulary, var threads])
{
    Turns.Run(int.Parse(tokens), int.Parse(vocabulary), int.Parse(threads));
    return 0;
}

Option<int> threadsOption = CommandOptions.Integer("--threads", "Threads of each call.", Environment.ProcessorCount, lowest: 1);
Option<int> rounds = CommandOptions.Integer("--rounds", "Rounds in which all programs take their turn.", 25, lowest: 1);
Option<int> tokensOption = CommandOptions.Integer("--tokens", "Rows of logits.", 1024, lowest: 1);
Option<int> vocabularyOption = CommandOptions.Integer("--vocabulary", "Logits of a row.", 50304, lowest: 1);
Option<string?> output = CommandOptions.Text("--out", "FILE", "Where the table goes, besides the console.");
var root = new RootCommand("Times PtxLoss as native code for several instruction sets, and as compiled when it runs, in one run.")
{
    threadsOption, rounds, tokensOption, vocabularyOption, output,
};
root.SetAction(it => Compare(
    [it.GetValue(tokensOption), it.GetValue(vocabularyOption), it.GetValue(threadsOption)],
    it.GetValue(rounds),
    it.GetValue(output)));
return root.Parse(args).Invoke();

static void Compare(int[] sizes, int rounds, string? output)
{
    string[] arguments = [Turns.Verb, .. sizes.Select(size => size.ToString())];
    DirectoryInfo work = Directory.CreateTempSubdirectory();
    List<TurnProcess> programs = [];
    try
    {
        string compiled = Path.Combine(AppContext.BaseDirectory, "PtxLoss.Native.dll");
        programs.Add(new("compiled when it runs (JIT)", "dotnet", [compiled, .. arguments]));
        foreach (string? instructions in new[] { null, "x86-64-v2", "x86-64-v3", "native" })
        {
            string name = instructions is null ? "native code" : $"native code, `IlcInstructionSet` {instructions}";
            programs.Add(new(name, Publish(instructions, Path.Combine(work.FullName, instructions ?? "default")), arguments));
        }

        for (int round = 0; round < rounds + 3; round++) // three to warm up
        {
            if (round == 3)
            {
                programs.ForEach(program => Array.ForEach(program.Times, times => times.Clear()));
            }

            for (int turn = 0; turn < programs.Count; turn++)
            {
                programs[(turn + round) % programs.Count].TakeTurn();
            }
        }

        string table = Table(programs, sizes, rounds);
        Console.WriteLine(table);
        if (output is not null)
        {
            File.WriteAllText(output, table);
        }
    }
    finally
    {
        programs.ForEach(program => program.Dispose());
        work.Delete(recursive: true);
    }
}

static string Publish(string? instructions, string folder)
{
    string project = typeof(Turns).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(it => it.Key == "Project").Value!;
    List<string> arguments =
    [
        "publish", project, "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "-p:PublishAot=true",
        "-nodeReuse:false", "-v:quiet", "--artifacts-path", folder, "-o", folder,
    ];
    if (instructions is not null)
    {
        arguments.Add($"-p:IlcInstructionSet={instructions}");
    }

    using Process process = Process.Start("dotnet", arguments);
    process.WaitForExit();
    return process.ExitCode == 0
        ? Path.Combine(folder, "PtxLoss.Native")
        : throw new InvalidOperationException("dotnet publish failed.");
}

static string Table(List<TurnProcess> programs, int[] sizes, int rounds)
{
    var text = new StringBuilder($"""
        # PtxLoss as native code

        {Processor()}, {Environment.ProcessorCount} cores, {RuntimeInformation.OSDescription},
        {RuntimeInformation.FrameworkDescription}, {DateTime.UtcNow:yyyy-MM-dd}.
        Logits are float32, {sizes[0]} × {sizes[1]}, on {sizes[2]} threads. Medians of {rounds} rounds;
        in each round all programs run in turn. In brackets: relative to the first.

        | program | vectors | `Compute` | `ComputeWithGradient`, in place | loss |
        | --- | --: | --: | --: | --- |

        """);
    foreach (TurnProcess program in programs)
    {
        text.Append($"| {program.Name} | {program.VectorBits} bits |");
        for (int call = 0; call < program.Times.Length; call++)
        {
            text.Append($" {program.Median(call):F2} ms ({program.Median(call) / programs[0].Median(call):F2}) |");
        }

        text.Append($" {program.Loss} |\n");
    }

    return text.ToString();
}

static string Processor()
    => !File.Exists("/proc/cpuinfo") ? RuntimeInformation.ProcessArchitecture.ToString()
        : File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("model name", StringComparison.Ordinal)).Split(": ")[1];
