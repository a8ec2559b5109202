using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>Values per token.</summary>
internal readonly unsafe ref struct ForwardCall<TTarget>(CrossEntropyOutputs outputs) : ICall<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly CrossEntropyOutputs _outputs = outputs;

    public HonouredOptions Honoured => HonouredOptions.Shards;

    public PtxLossResult Run<TSource>(
        scoped in TSource source, scoped in TargetRows<TTarget> targets, scoped ReadOnlySpan<nint> shape, PtxLossOptions options)
        where TSource : struct, ILogitSource<TTarget>
    {
        _outputs.CheckLengths(targets.Count, "outputs");
        CheckShard(options, source.VocabularySize);
        BatchCount count = BatchCount.Of(
            in targets, OptionChecks.CountIds(options, source.VocabularySize), shape, tokenWeights: []);
        fixed (double* loss = _outputs.Loss, logSumExp = _outputs.LogSumExp)
        fixed (double* targetLogit = _outputs.TargetLogit, entropy = _outputs.Entropy)
        fixed (int* argMax = _outputs.ArgMax)
        {
            source.CheckMemory(
                options,
                [new(targets.Memory, "targets")],
                [
                    new(MemoryRange.Of(loss, _outputs.Loss.Length), "outputs.Loss"),
                    new(MemoryRange.Of(logSumExp, _outputs.LogSumExp.Length), "outputs.LogSumExp"),
                    new(MemoryRange.Of(targetLogit, _outputs.TargetLogit.Length), "outputs.TargetLogit"),
                    new(MemoryRange.Of(entropy, _outputs.Entropy.Length), "outputs.Entropy"),
                    new(MemoryRange.Of(argMax, _outputs.ArgMax.Length), "outputs.ArgMax"),
                ]);
            var tokens = new TokenMemory<TTarget>
            {
                Targets = targets,
                Loss = loss,
                LogSumExp = logSumExp,
                TargetLogit = targetLogit,
                Entropy = entropy,
                ArgMax = argMax,
            };
            source.Run(in tokens, OptionChecks.RowOptionsOf(options), scale: 1, count.Tokens);
            return default;
        }
    }

    private void CheckShard(PtxLossOptions options, int vocabularySize)
    {
        if (options.VocabularyStart is not { } start)
        {
            return;
        }

        if (!_outputs.Loss.IsEmpty)
        {
            throw new ArgumentException(
                "outputs.Loss must be empty where options.VocabularyStart is set: a loss needs the log-sum-exp of the whole "
                    + "row, which Backward takes as well.",
                "outputs");
        }

        if (!_outputs.ArgMax.IsEmpty && start + vocabularySize - 1 > int.MaxValue)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"outputs.ArgMax must be empty where ids reach {start + vocabularySize - 1}: it cannot hold them."),
                "outputs");
        }
    }
}
