namespace PtxLosses.Samples.Rlhf;

/// <summary>Where a run says how far it is.</summary>
internal interface IProgressDisplay
{
    void Announce(string line);

    IProgressStage Begin(string name, int steps);
}

internal interface IProgressStage
{
    void Report(int step, string detail);
}
