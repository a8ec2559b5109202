namespace PtxLosses.Samples;

/// <summary>One policy and what was measured of it.</summary>
/// <param name="Seed">The seed of its pretraining and its fine-tuning.</param>
/// <param name="Term">What its fine-tuning added to the RL loss; null for the pretrained policy itself.</param>
/// <param name="Curve">From before the first RL step to after the last one.</param>
/// <param name="Samples">Its continuations of the first held-out prompts.</param>
internal sealed record PolicyRun(int Seed, PtxTerm? Term, IReadOnlyList<Measurement> Curve, IReadOnlyList<TextSample> Samples)
{
    public Measurement Before => Curve[0];

    public Measurement After => Curve[^1];

    /// <summary>What the policy has become worse at on the text that it came from, in nats per token.</summary>
    public double Forgetting => Math.Log(After.Perplexity / Before.Perplexity);
}

internal sealed record ExperimentResult(
    ExperimentSettings Settings, string Source, int TrainingTokens, int HeldOutTokens, int VocabularySize)
{
    public int ParameterCount { get; set; }

    /// <summary>Of every policy that was fine-tuned, or of the one that was stopped before.</summary>
    public int PretrainSteps { get; set; }

    public List<PolicyRun> Pretrained { get; } = [];

    public List<PolicyRun> FineTuned { get; } = [];

    /// <summary>What a sample measured besides.</summary>
    public ReportTable? Appendix { get; set; }

    public int PlannedRuns => Settings.Terms.Count * Settings.Seeds.Count;

    public int FinishedRuns => FineTuned.Count(IsFinished);

    public bool Stopped => FinishedRuns < PlannedRuns;

    /// <summary>How many seeds stand for a term: one number, or two after a stop in the middle of a seed.</summary>
    public IReadOnlyList<int> SeedCounts => [.. ByTerm().Select(entry => entry.Runs.Length).Distinct()];

    /// <summary>
    /// The runs of each PTX term that can be averaged: the finished ones, or the one that was stopped if there is no other.
    /// </summary>
    public IEnumerable<(PtxTerm Term, PolicyRun[] Runs)> ByTerm() =>
        from term in Settings.Terms
        let runs = FineTuned.Where(run => run.Term == term).ToArray()
        where runs.Length > 0
        let finished = runs.Where(IsFinished).ToArray()
        select (term, finished.Length > 0 ? finished : runs);

    private bool IsFinished(PolicyRun run) => run.After.Step == Settings.Steps;
}
