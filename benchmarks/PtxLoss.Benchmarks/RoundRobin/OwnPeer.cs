namespace PtxLosses.Benchmarks;

/// <summary>A peer that is this program, in another process: <see cref="PeerHost"/>.</summary>
/// <param name="Kind">What it runs, one of those that are named here.</param>
/// <param name="KeepsFreed">Whether its allocator keeps what is freed: a process can be told so once and for all.</param>
/// <param name="Measured">
/// The number of the contender whose memory it measures, in place of the time of all; <see langword="null"/>: of none.
/// </param>
internal sealed record OwnPeer(string Kind, bool KeepsFreed = false, int? Measured = null)
{
    public const string Verb = "peer", KeepFreed = "--keep-freed", MemoryOf = "--memory-of";

    public const string Avx2 = "avx2", Head = "head", Step = "step";

    public const string Torch = "torch", OnnxRuntime = "onnxruntime", MathNet = "mathnet";

    /// <summary>Torch, and this library on its tensors: as users call them, and with memory reused.</summary>
    public static IReadOnlyList<OwnPeer> TorchBothWays { get; } = [new(Torch), new(Torch, KeepsFreed: true)];

    /// <summary>What starts it.</summary>
    public IReadOnlyList<string> Command
    {
        get
        {
            List<string> command = [Environment.ProcessPath!];
            if (Path.GetFileNameWithoutExtension(command[0]) == "dotnet")
            {
                command.Add(Path.Combine(AppContext.BaseDirectory, "PtxLoss.Benchmarks.dll"));
            }

            command.AddRange([Verb, Kind]);
            if (KeepsFreed)
            {
                command.Add(KeepFreed);
            }

            if (Measured is { } number)
            {
                command.AddRange([MemoryOf, number.ToString()]);
            }

            return command;
        }
    }

    /// <summary>How the runtime is set for it.</summary>
    public IEnumerable<(string Name, string Value)> Settings => Kind == Avx2 ? [("DOTNET_EnableAVX512", "0")] : [];
}
