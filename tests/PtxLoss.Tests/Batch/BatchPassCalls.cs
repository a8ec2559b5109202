namespace PtxLosses.Tests;

/// <summary>A loss and its gradient by a kernel of the test's choice, for any element type that a kernel has.</summary>
internal static unsafe class BatchPassCalls
{
    /// <summary>As <c>PtxLoss.ComputeWithGradient</c>, with an RL loss of 0.</summary>
    /// <param name="kernel">What computes it.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="targets">The targets, or the ids of soft targets.</param>
    /// <param name="coefficient">γ.</param>
    /// <param name="gradient">Where the gradient goes: perhaps the logits.</param>
    /// <param name="options">The options.</param>
    /// <param name="tokenWeights">The weights, or none.</param>
    /// <param name="probabilities">Those of soft targets.</param>
    /// <param name="idsPerToken">How many soft targets each token has; 0 where targets are hard.</param>
    public static PtxLossResult Run<TLogit>(
        SoftmaxKernel<TLogit> kernel,
        TLogit[] logits,
        int[] targets,
        double coefficient,
        TLogit[] gradient,
        PtxLossOptions options,
        ReadOnlySpan<float> tokenWeights = default,
        ReadOnlySpan<float> probabilities = default,
        int idsPerToken = 0)
        where TLogit : unmanaged
    {
        fixed (TLogit* logitsStart = logits, gradientStart = gradient)
        fixed (int* targetsStart = targets)
        fixed (float* weightsStart = tokenWeights, probabilitiesStart = probabilities)
        {
            int tokens = targets.Length / Math.Max(1, idsPerToken), vocabularySize = logits.Length / tokens;
            TargetRows<int> rows = idsPerToken == 0
                ? new(targetsStart, tokens, options.IgnoreIndex)
                : new(targetsStart, probabilitiesStart, tokens, idsPerToken, options.IgnoreIndex);
            var memory = new BatchMemory<TLogit, int>
            {
                Logits = new(logitsStart, tokens, vocabularySize),
                Tokens = new() { Targets = rows, TokenWeights = weightsStart },
                Gradient = new(gradientStart, tokens, vocabularySize),
                WantsGradient = true,
            };
            BatchCount count = BatchCount.Of(in memory.Tokens.Targets, vocabularySize, [tokens], tokenWeights);
            var normalizer = new Normalizer(options);
            var pass = new BatchPass<TLogit, int>(
                kernel, in memory, OptionChecks.RowOptionsOf(options), coefficient / normalizer.DivisorFor(count.Weight));
            TokenLosses sums = BatchScheduler.Run(in pass);
            return new(
                0, coefficient, new(sums, count.Weight, count.Tokens, options.Statistics), normalizer, options.ZLossCoefficient);
        }
    }
}
