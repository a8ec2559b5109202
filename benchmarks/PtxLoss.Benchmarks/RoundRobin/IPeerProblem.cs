namespace PtxLosses.Benchmarks;

/// <summary>What a <see cref="PeerProcess"/> is told of a problem, and must answer.</summary>
internal interface IPeerProblem
{
    /// <summary>The shape of the logits.</summary>
    Shape Shape { get; }

    /// <summary>All sizes, in the order in which peers get them.</summary>
    IReadOnlyList<int> Sizes { get; }

    /// <summary>What a peer must answer for a work, in the order in which it does.</summary>
    IReadOnlyList<(string What, double Value)> Answers(Work work);
}
