using System.Diagnostics;

namespace PtxLosses.Benchmarks;

/// <summary>
/// Contenders in another process: it times them, whenever this process tells it to. The protocol: started as
/// <c>command folder sizes… threads coefficient</c>, the other process reads the data, runs each of its contenders once and
/// writes a line for each: <c>Forward|Gradient, Fresh|Reused, whose it is, name, answers…</c>, with tabs between. The sizes and
/// the answers are those of the <see cref="IPeerProblem"/>; after them may come the memory that the contender took, in bytes.
/// Then it writes <c>ready</c>. From there on, each line that it reads is the number of the contender whose turn it is, and it
/// answers with the milliseconds. A process that cannot do its work here writes <c>left out</c> and why, instead of all that.
/// </summary>
internal sealed class PeerProcess : IDisposable
{
    public const string Ready = "ready", LeftOut = "left out";

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
            if (fields[0] == LeftOut)
            {
                Console.Error.WriteLine($"left out: {fields[1]}");
                yield break;
            }

            var (by, name) = (fields[2], fields[3]);
            Work work = Enum.Parse<Work>(fields[0]);
            int field = 4;
            foreach ((string what, double value) in problem.Answers(work))
            {
                Check($"{by}, {name}: {what}", fields[field++], value);
            }

            string number = count.ToString();
            yield return new(work, by, name, problem.Shape, threads, () => TakeTurn(number))
            {
                Memory = Enum.Parse<OutputMemory>(fields[1]),
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
    private readonly List<Contender> _contenders = [];
    private readonly IPeerProblem _problem;
    private readonly int _threads;

    public Peers(IPeerProblem problem, int threads)
    {
        (_problem, _threads) = (problem, threads);
        problem.Save(_folder);
    }

    public IReadOnlyList<Contender> Contenders => _contenders;

    /// <summary>Starts another program, which the command line names, and has its answers checked.</summary>
    public void Start(string command)
    {
        Console.Error.WriteLine($"checking {command}");
        _contenders.AddRange(Start(command.Split(' '), []).Contenders);
    }

    /// <summary>Starts this program as a peer, and has its answers checked.</summary>
    /// <param name="peer">What it does.</param>
    /// <param name="measuresMemory">Whether that of each of its contenders is measured, in one more process for each.</param>
    public void Start(OwnPeer peer, bool measuresMemory = false)
    {
        Console.Error.WriteLine($"checking {string.Join(' ', peer.Command.SkipWhile(part => part != OwnPeer.Verb).Skip(1))}");
        _contenders.AddRange(Start(peer.Command, peer.Settings).Contenders.Select(
            (it, number) => measuresMemory ? it with { ExtraBytes = ExtraBytes(peer with { Measured = number }) } : it));
    }

    /// <summary>How much memory a contender takes, by a process that measures it and then ends.</summary>
    public long? ExtraBytes(OwnPeer peer)
    {
        using var process = new PeerProcess(peer.Command, peer.Settings, _problem, _folder, _threads);
        return process.Contenders.Single().ExtraBytes;
    }

    public void Dispose()
    {
        _processes.ForEach(process => process.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    private PeerProcess Start(IReadOnlyList<string> command, IEnumerable<(string Name, string Value)> environment)
    {
        var process = new PeerProcess(command, environment, _problem, _folder, _threads);
        _processes.Add(process);
        return process;
    }
}
