namespace PtxLosses.Samples.Gpt;

/// <summary>The loss layers that --loss names.</summary>
internal static class LossLayers
{
    public static IReadOnlyList<string> Names { get; } = ["fused", "logits", "torch"];

    public static ILossLayer Create(string name) => name switch
    {
        "fused" => new FusedLoss(),
        "logits" => new LogitsLoss(),
        "torch" => new TorchLoss(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "No such loss layer."),
    };
}
