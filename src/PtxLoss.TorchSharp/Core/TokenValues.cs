namespace PtxLosses.Torch;

/// <summary>What the forward pass finds per token, and the backward pass needs again.</summary>
internal sealed class TokenValues(int tokens)
{
    public double[] Loss { get; } = new double[tokens];

    public double[] LogSumExp { get; } = new double[tokens];

    public double[] Entropy { get; } = new double[tokens];

    public CrossEntropyOutputs Outputs => new() { Loss = Loss, LogSumExp = LogSumExp, Entropy = Entropy };
}

/// <summary>∂L/∂ of the values per token; <see langword="null"/>: 0.</summary>
internal readonly record struct TokenGradients(double[]? Loss, double[]? Entropy)
{
    public CrossEntropyOutputGradients Spans => new() { Loss = Loss, Entropy = Entropy };
}
