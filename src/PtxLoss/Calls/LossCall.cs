using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>The loss of a batch and, where it is wanted, the gradient of the total.</summary>
internal readonly unsafe ref struct LossCall<TTarget>(double rlLoss, double ptxCoefficient, ReadOnlySpan<float> tokenWeights)
    : ICall<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly double _rlLoss = rlLoss;
    private readonly double _ptxCoefficient = ptxCoefficient;
    private readonly ReadOnlySpan<float> _tokenWeights = tokenWeights;

    public HonouredOptions Honoured => HonouredOptions.Reduction;

    public PtxLossResult Run<TSource>(
        scoped in TSource source, scoped in TargetRows<TTarget> targets, scoped ReadOnlySpan<nint> shape, PtxLossOptions options)
        where TSource : struct, ILogitSource<TTarget>
    {
        OptionChecks.CheckCoefficient(_ptxCoefficient);
        BatchCount.CheckLength(_tokenWeights, targets.Count);
        BatchCount count = BatchCount.Of(in targets, source.VocabularySize, shape, _tokenWeights);
        var normalizer = new Normalizer(options);
        count.CheckDivisor(normalizer, nameof(options));
        fixed (float* weights = _tokenWeights)
        {
            source.CheckMemory(
                options,
                [
                    new(targets.Memory, "targets"),
                    new(targets.Probabilities, "targets.Probabilities"),
                    new(MemoryRange.Of(weights, _tokenWeights.Length), "tokenWeights"),
                ],
                []);
            var tokens = new TokenMemory<TTarget> { Targets = targets, TokenWeights = weights };
            double scale = _ptxCoefficient / normalizer.DivisorFor(count.Weight);
            TokenLosses sums = source.Run(in tokens, OptionChecks.RowOptionsOf(options), scale, count.Tokens);
            var totals = new LossTotals(sums, count.Weight, count.Tokens, options.Statistics);
            return new PtxLossResult(_rlLoss, _ptxCoefficient, totals, normalizer, options.ZLossCoefficient);
        }
    }
}
