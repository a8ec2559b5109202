namespace PtxLosses.Samples.Gpt;

/// <summary>What every step of a comparison works on.</summary>
/// <param name="Tokens">Text, time-major as everywhere.</param>
/// <param name="Targets">What follows each token.</param>
/// <param name="Prompts">Where the rollout begins.</param>
/// <param name="Advantages">Of the sampled tokens.</param>
internal sealed record MeasuredBatch(int[] Tokens, int[] Targets, int[][] Prompts, double[] Advantages);

/// <param name="Loss">The total.</param>
/// <param name="UpdateSeconds">Both losses, their gradients and the optimizer.</param>
/// <param name="RolloutSeconds">Sampling the continuations.</param>
internal sealed record MeasuredStep(double Loss, double UpdateSeconds, double RolloutSeconds);

/// <param name="Peak">The most that was ever resident, in bytes.</param>
/// <param name="BeforeSteps">What was resident before the first step, with the weights in it.</param>
internal sealed record MeasuredMemory(long Peak, long BeforeSteps);
