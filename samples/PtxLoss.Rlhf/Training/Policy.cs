namespace PtxLosses.Samples.Rlhf;

/// <summary>The transformers that run any weights of a shape, one for text and one for rollouts.</summary>
internal sealed record PolicyRunners(PtxReader Reader, Transformer Text, Transformer Rollouts);

/// <summary>Weights, and what reads and writes with them.</summary>
/// <param name="runners">Shared with all policies of the shape.</param>
/// <param name="parameters">The weights.</param>
/// <param name="topK">How many tokens it names as a teacher.</param>
internal sealed class Policy(PolicyRunners runners, Parameters parameters, int topK) : IPolicy
{
    private readonly Lazy<Teacher> _teacher = new(() => new Teacher(runners.Text, parameters, topK));

    public Parameters Parameters => parameters;

    public int ParameterCount => parameters.Values.Length;

    /// <summary>The policy as the teacher of those that it becomes.</summary>
    public Teacher Teacher => _teacher.Value;

    public Policy Clone() => new(runners, parameters.Clone(), topK);

    public PtxLossResult ReadText(int[] tokens, int[] targets) => runners.Reader.Compute(parameters, tokens, targets);

    public Rollout Sample(IReadOnlyList<int[]> prompts, Random random) =>
        Sampler.Sample(runners.Rollouts, parameters, prompts, random);

    /// <summary>Nothing: all memory is managed.</summary>
    public void Dispose()
    {
    }
}
