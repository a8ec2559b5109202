namespace PtxLosses.Tests;

/// <summary>A loss and its gradient by a kernel of the test's choice, for any element type that a kernel has.</summary>
internal static unsafe class BatchPassCalls
{
    /// <summary>As <c>PtxLoss.ComputeWithGradient</c>, with an RL loss of 0.</summary>
    /// <param name="kernel">What computes it.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="coefficient">γ.</param>
    /// <param name="gradient">Where the gradient goes: perhaps the logits.</param>
    /// <param name="options">The options.</param>
    public static PtxLossResult Run<TLogit>(
        SoftmaxKernel<TLogit> kernel, TLogit[] logits, int[] targets, double coefficient, TLogit[] gradient, PtxLossOptions options)
        where TLogit : unmanaged
    {
        ReadOnlySpan<float> weights = options.TokenWeights.Span;
        fixed (TLogit* logitsStart = logits, gradientStart = gradient)
        fixed (int* targetsStart = targets)
        fixed (float* weightsStart = weights)
        {
            int tokens = targets.Length, vocabularySize = logits.Length / targets.Length;
            var targetRows = new TargetRows<int>(targetsStart, tokens, options.IgnoreIndex);
            long count = targetRows.CountTokens();
            double weight = weights.IsEmpty ? count : targetRows.SumWeights(weights);
            var logitRows = new LogitRows<TLogit>(logitsStart, tokens, vocabularySize);
            var pass = new BatchPass<TLogit, int>(kernel, in logitRows, in targetRows, new RowOptions(options))
            {
                TokenWeights = weightsStart,
                Scale = coefficient / new Normalizer(options).Of(weight),
            };
            pass.WriteGradientTo(new LogitRows<TLogit>(gradientStart, tokens, vocabularySize));
            TokenLosses sums = BatchScheduler.Run(pass, options.MaxDegreeOfParallelism);
            return new(0, coefficient, new(sums.CrossEntropy, sums.ZLoss, weight, count), new Normalizer(options), options.ZLossCoefficient);
        }
    }
}
