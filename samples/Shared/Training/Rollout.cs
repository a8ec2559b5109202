namespace PtxLosses.Samples;

/// <summary>
/// Continuations of prompts sampled from a policy. Everything is time-major: the tokens are [prompt + continuation, batch], the
/// rest has one value per sampled token, [continuation, batch].
/// </summary>
internal sealed class Rollout
{
    public const int PromptLength = 8;
    public const int ContinuationLength = 24;

    private readonly IReadOnlyList<int[]> _prompts;

    /// <param name="prompts">One per sequence of the batch, <see cref="PromptLength"/> tokens each.</param>
    public Rollout(IReadOnlyList<int[]> prompts)
    {
        (_prompts, Batch) = (prompts, prompts.Count);
        Tokens = new int[Batch * (PromptLength + ContinuationLength)];
        LogProbabilities = new double[Batch * ContinuationLength];
        Rewards = new double[Batch * ContinuationLength];
        for (int index = 0; index < PromptLength * Batch; index++)
        {
            Tokens[index] = prompts[index % Batch][index / Batch];
        }
    }

    public int Batch { get; }

    public int[] Tokens { get; }

    public ReadOnlySpan<int> Sampled => Tokens.AsSpan(PromptLength * Batch);

    /// <summary>Of each sampled token, under the policy that sampled it.</summary>
    public double[] LogProbabilities { get; }

    /// <summary>What each sampled token earned.</summary>
    public double[] Rewards { get; }

    public double MeanReward => Rewards.Sum() / Batch;

    public int[] Continuation(int sequence) =>
        [.. Enumerable.Range(PromptLength, ContinuationLength).Select(position => Tokens[(position * Batch) + sequence])];

    /// <summary>Writes <see cref="Rewards"/>, of tokens that have all been sampled.</summary>
    public void Score(AlliterationReward reward)
    {
        Span<double> perToken = stackalloc double[ContinuationLength];
        for (int sequence = 0; sequence < Batch; sequence++)
        {
            reward.Score(_prompts[sequence], Continuation(sequence), perToken);
            for (int token = 0; token < ContinuationLength; token++)
            {
                Rewards[(token * Batch) + sequence] = perToken[token];
            }
        }
    }
}
