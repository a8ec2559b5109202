namespace PtxLosses.Benchmarks;

/// <summary>One thing that a process of this program does as a peer.</summary>
/// <param name="Work">What it finds.</param>
/// <param name="Memory">Where its outputs go.</param>
/// <param name="By">Whose code it is, with the version.</param>
/// <param name="Name">How it is called.</param>
/// <param name="Run">Runs it once, and returns the mean loss of a token.</param>
internal sealed record PeerCall(Work Work, OutputMemory Memory, string By, string Name, Func<double> Run)
{
    /// <summary>What is to be answered besides the loss, of the run before.</summary>
    public Func<IEnumerable<double>> GradientAnswers { get; init; } = () => [];

    /// <summary>How many bytes of gradients a run makes that are not there before.</summary>
    public long GradientBytes { get; init; }
}

/// <summary>What a peer of this program is told.</summary>
/// <param name="Peer">Which one it is.</param>
/// <param name="Folder">Where the data is.</param>
/// <param name="Sizes">Those of the <see cref="IPeerProblem"/>.</param>
/// <param name="Threads">The number of threads.</param>
internal sealed record PeerRequest(OwnPeer Peer, string Folder, IReadOnlyList<int> Sizes, int Threads)
{
    /// <summary>Whether it is about logits, not about hidden states.</summary>
    public bool IsOfLogits => Sizes.Count == 2;

    public Shape Shape => new(Sizes[0], Sizes[^1]);

    public HeadShape HeadShape => new(Sizes[0], Sizes[1], Sizes[2]);

    /// <summary>Reads what follows the command: folder, sizes, threads, coefficient.</summary>
    public static PeerRequest Parse(OwnPeer peer, string[] arguments)
        => new(peer, arguments[0], [.. arguments[1..^2].Select(int.Parse)], int.Parse(arguments[^2]));
}

/// <summary>Says why a peer cannot be timed here, which is then left out.</summary>
internal sealed class PeerMissingException(string message) : Exception(message)
{
    /// <summary>Loads a native library, by a first call of it.</summary>
    public static void Load(string name, Action firstCall)
    {
        try
        {
            firstCall();
        }
        catch (Exception e) when (e is DllNotFoundException or TypeInitializationException or NotSupportedException)
        {
            throw new PeerMissingException($"{name}, which does not load: {e.GetBaseException().Message.Split('\n')[0]}");
        }
    }
}

/// <summary>The other end of a <see cref="PeerProcess"/>, where that is this program.</summary>
internal static class PeerHost
{
    private static readonly Dictionary<string, Func<PeerRequest, IEnumerable<PeerCall>>> _kinds = new(StringComparer.Ordinal)
    {
        [OwnPeer.Avx2] = LibraryCalls.OfPeer,
        [OwnPeer.Head] = HeadCalls.OfPeer,
        [OwnPeer.Step] = StepCalls.OfPeer,
        [OwnPeer.Torch] = request => request.IsOfLogits ? TorchLossCalls.OfPeer(request) : TorchHeadCalls.OfPeer(request),
        [OwnPeer.OnnxRuntime] = OnnxCalls.OfPeer,
        [OwnPeer.MathNet] = MathNetComposed.OfPeer,
    };

    /// <summary>Runs each contender once and says what it answers; then times those whose turn it is, until input ends.</summary>
    public static void Run(PeerRequest request)
    {
        TextWriter answers = Console.Out;
        Console.SetOut(Console.Error); // for libraries that have something to say
        List<Func<double>> turns = [];
        try
        {
            if (request.Peer.Measured is { } number)
            {
                answers.WriteLine(Measured(request, number));
            }
            else
            {
                foreach (PeerCall call in CallsOf(request))
                {
                    answers.WriteLine(Announcement(call, call.Run(), bytes: null));
                    turns.Add(Contender.TurnsOf(() => call.Run()));
                }
            }
        }
        catch (PeerMissingException missing)
        {
            answers.WriteLine($"{PeerProcess.LeftOut}\t{missing.Message}");
            return;
        }

        answers.WriteLine(PeerProcess.Ready);
        while (Console.ReadLine() is { } turn)
        {
            answers.WriteLine(turns[int.Parse(turn)]());
        }
    }

    /// <summary>
    /// How much memory the first run of one contender takes: alone in its process, where it does not find what another kept.
    /// </summary>
    private static string Measured(PeerRequest request, int number)
    {
        // A run of next to no size compiles the code and starts the threads.
        string folder = Directory.CreateTempSubdirectory().FullName;
        using (IPeerProblem small = request.IsOfLogits ? new LossProblem(new(64, 1000)) : new HeadProblem(new(64, 64, 1000)))
        {
            small.Save(folder);
            CallsOf(request with { Folder = folder, Sizes = small.Sizes }).ElementAt(number).Run();
        }

        Directory.Delete(folder, recursive: true);
        PeerCall call = CallsOf(request).ElementAt(number);
        double? loss = null;
        long? bytes = ProcessMemory.PeakAbove(() => loss = call.Run());
        return Announcement(call, loss ?? call.Run(), bytes - call.GradientBytes);
    }

    private static string Announcement(PeerCall call, double loss, long? bytes)
    {
        List<object> fields = [call.Work, call.Memory, call.By, call.Name, loss];
        fields.AddRange(call.GradientAnswers().Cast<object>());
        if (bytes is { } known)
        {
            fields.Add(known);
        }

        return string.Join('\t', fields);
    }

    private static IEnumerable<PeerCall> CallsOf(PeerRequest request)
        => _kinds.TryGetValue(request.Peer.Kind, out var calls)
            ? calls(request)
            : throw new ArgumentException($"There is no peer {request.Peer.Kind}.", nameof(request));
}
