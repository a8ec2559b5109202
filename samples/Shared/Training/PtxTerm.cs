namespace PtxLosses.Samples;

/// <summary>What the PTX term wants to be predicted after each token of pretraining text.</summary>
internal enum PtxTargets
{
    /// <summary>The token that follows.</summary>
    Hard,

    /// <summary>What the pretrained policy holds for likely, as a teacher of those that it becomes.</summary>
    Soft,
}

/// <param name="Gamma">The coefficient.</param>
/// <param name="Targets">Without meaning where γ is 0.</param>
internal sealed record PtxTerm(double Gamma, PtxTargets Targets)
{
    public string Name => $"γ = {Gamma}" + (Targets == PtxTargets.Soft ? ", soft" : "");
}
