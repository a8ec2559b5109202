using System.Numerics;

namespace PtxLosses.Calls;

/// <summary>Targets in spans: one id per token, or several with a probability each.</summary>
internal readonly ref struct TargetList<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private TargetList(ReadOnlySpan<TTarget> ids, ReadOnlySpan<float> probabilities, int idsPerToken, bool areSoft)
    {
        Ids = ids;
        Probabilities = probabilities;
        IdsPerToken = idsPerToken;
        AreSoft = areSoft;
    }

    public ReadOnlySpan<TTarget> Ids { get; }

    public ReadOnlySpan<float> Probabilities { get; }

    public int IdsPerToken { get; }

    public bool AreSoft { get; }

    public int Tokens => Ids.Length / IdsPerToken;

    public static implicit operator TargetList<TTarget>(ReadOnlySpan<TTarget> targets)
        => new(targets, [], idsPerToken: 1, areSoft: false);

    public static implicit operator TargetList<TTarget>(SoftTargets<TTarget> targets)
        => new(targets.Ids, targets.Probabilities, Math.Max(1, targets.IdsPerToken), areSoft: true); // a default value has none
}
