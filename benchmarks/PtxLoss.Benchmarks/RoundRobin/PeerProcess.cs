using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Contenders in another process: it times them, whenever this process tells it to. The protocol: started as
/// <c>command folder sizes… threads coefficient</c>, the other process reads the data, runs each of its contenders once and
/// writes a line for each: <c>Forward|Gradient, whose it is, name, answers…</c>, with tabs between. The sizes and the answers
/// are those of the <see cref="IPeerProblem"/>; after them may come the memory that the contender took, in bytes. Then it
/// writes <c>ready</c>. From there on, each line that it reads is the number of the contender whose turn it is, and it answers
/// with the milliseconds.
/// </summary>
internal sealed class PeerProcess : IDisposable
{
    public const string Ready = "ready";

    /// <summary>So long other programs' threads may spin, waiting for more work, before they sleep.</summary>
    private static readonly TimeSpan _settling = TimeSpan.FromMilliseconds(50);

    private readonly Process _process;

    public PeerProcess(
        IReadOnlyList<string> command,
        IEnumerable<(string Name, string Value)> environment,
        IPeerProblem problem,
        string folder,
        int threads)
    {
        string[] arguments =
        [
            .. command.Skip(1),
            folder,
            .. problem.Sizes.Select(size => size.ToString()),
            threads.ToString(),
            LossProblem.Coefficient.ToString(),
        ];
        var start = new ProcessStartInfo(command[0], arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment["OMP_NUM_THREADS"] = threads.ToString();
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        Contenders = [.. ReadContenders(problem, threads)];
    }

    public IReadOnlyList<Contender> Contenders { get; }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private IEnumerable<Contender> ReadContenders(IPeerProblem problem, int threads)
    {
        int count = 0;
        for (string line = ReadLine(); line != Ready; line = ReadLine(), count++)
        {
            string[] fields = line.Split('\t');
            var (by, name) = (fields[1], fields[2]);
            Work work = Enum.Parse<Work>(fields[0]);
            int field = 3;
            foreach ((string what, double value) in problem.Answers(work))
            {
                Check($"{by}, {name}: {what}", fields[field++], value);
            }

            string number = count.ToString();
            yield return new(work, by, name, problem.Shape, threads, () => TakeTurn(number))
            {
                ExtraBytes = fields.Length > field ? long.Parse(fields[field]) : null,
            };
        }
    }

    private static void Check(string what, string value, double expected)
    {
        if (!(Math.Abs(double.Parse(value) - expected) <= 1e-3))
        {
            throw new InvalidOperationException($"{what} is {value}, not {expected}.");
        }
    }

    private double TakeTurn(string number)
    {
        _process.StandardInput.WriteLine(number);
        _process.StandardInput.Flush();
        double milliseconds = double.Parse(ReadLine());
        Thread.Sleep(_settling);
        return milliseconds;
    }

    private string ReadLine() => _process.StandardOutput.ReadLine()
        ?? throw new InvalidOperationException(
            $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} ended.");
}

/// <summary>The other processes of a run, and the folder in which they find the data.</summary>
internal sealed class Peers : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<PeerProcess> _processes = [];
    private readonly IPeerProblem _problem;
    private readonly int _threads;

    public Peers(IPeerProblem problem, int threads)
    {
        (_problem, _threads) = (problem, threads);
        problem.Save(_folder);
    }

    public IEnumerable<Contender> Contenders => _processes.SelectMany(process => process.Contenders);

    /// <summary>Starts what the command line names, and has its answers checked.</summary>
    public void Start(string command)
    {
        Console.Error.WriteLine($"checking {command}");
        Start(command.Split(' '), []);
    }

    public void Start(IReadOnlyList<string> command, IEnumerable<(string Name, string Value)> environment)
        => _processes.Add(new(command, environment, _problem, _folder, _threads));

    /// <summary>What a process that measures memory says, and then ends.</summary>
    public long? ExtraBytes(IReadOnlyList<string> command)
    {
        using var process = new PeerProcess(command, [], _problem, _folder, _threads);
        return process.Contenders.Single().ExtraBytes;
    }

    public void Dispose()
    {
        _processes.ForEach(process => process.Dispose());
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>What a <see cref="PeerProcess"/> is told of a problem, and must answer.</summary>
internal interface IPeerProblem
{
    /// <summary>The shape of the logits.</summary>
    Shape Shape { get; }

    /// <summary>All sizes, in the order in which peers get them.</summary>
    IReadOnlyList<int> Sizes { get; }

    /// <summary>What a peer must answer for a work, in the order in which it does.</summary>
    IReadOnlyList<(string What, double Value)> Answers(Work work);

    /// <summary>Leaves the data to peers, as files of bare numbers.</summary>
    void Save(string folder);
}

/// <summary>The targets, as 64-bit little-endian numbers.</summary>
internal static class TargetFile
{
    private const string Name = "targets.i64";

    public static void Save(string folder, int[] targets) => File.WriteAllBytes(
        Path.Combine(folder, Name), MemoryMarshal.AsBytes(Array.ConvertAll(targets, target => (long)target).AsSpan()));

    public static int[] Load(string folder)
    {
        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, Name));
        return [.. MemoryMarshal.Cast<byte, long>(bytes).ToArray().Select(target => (int)target)];
    }
}
