using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>The vector-Jacobian product of <see cref="ForwardCall{TTarget}"/>.</summary>
internal readonly unsafe ref struct BackwardCall<TTarget>(CrossEntropyOutputs forward, CrossEntropyOutputGradients gradients)
    : ICall<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly CrossEntropyOutputs _forward = forward;
    private readonly CrossEntropyOutputGradients _gradients = gradients;

    public HonouredOptions Honoured => HonouredOptions.Shards;

    public PtxLossResult Run<TSource>(
        scoped in TSource source, scoped in TargetRows<TTarget> targets, scoped ReadOnlySpan<nint> shape, PtxLossOptions options)
        where TSource : struct, ILogitSource<TTarget>
    {
        CheckLengths(targets.Count);
        BatchCount count = BatchCount.Of(
            in targets, OptionChecks.CountIds(options, source.VocabularySize), shape, tokenWeights: []);
        fixed (double* logSumExp = _forward.LogSumExp, entropy = _forward.Entropy)
        fixed (double* ofLoss = _gradients.Loss, ofLogSumExp = _gradients.LogSumExp, ofEntropy = _gradients.Entropy)
        {
            source.CheckMemory(
                options,
                [
                    new(targets.Memory, "targets"),
                    new(MemoryRange.Of(logSumExp, _forward.LogSumExp.Length), "forward.LogSumExp"),
                    new(MemoryRange.Of(entropy, _gradients.Entropy.IsEmpty ? 0 : _forward.Entropy.Length), "forward.Entropy"),
                    new(MemoryRange.Of(ofLoss, _gradients.Loss.Length), "gradients.Loss"),
                    new(MemoryRange.Of(ofLogSumExp, _gradients.LogSumExp.Length), "gradients.LogSumExp"),
                    new(MemoryRange.Of(ofEntropy, _gradients.Entropy.Length), "gradients.Entropy"),
                ],
                []);
            var tokens = new TokenMemory<TTarget>
            {
                Targets = targets,
                KnownLogSumExp = logSumExp,
                KnownEntropy = entropy,
                LossGradient = ofLoss,
                LogSumExpGradient = ofLogSumExp,
                EntropyGradient = ofEntropy,
            };
            source.Run(in tokens, OptionChecks.RowOptionsOf(options), scale: 1, count.Tokens);
            return default;
        }
    }

    private void CheckLengths(long tokens)
    {
        const string unit = "values, one per target";
        MemoryChecks.CheckLength(_forward.LogSumExp.Length, tokens, "forward.LogSumExp", unit);
        _gradients.CheckLengths(tokens, "gradients");
        if (!_gradients.Entropy.IsEmpty)
        {
            MemoryChecks.CheckLength(
                _forward.Entropy.Length, tokens, "forward.Entropy", $"{unit}, where gradients.Entropy is given");
        }
    }
}
