using System.Numerics;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>Calls over spans: rows of logits that follow each other without a gap.</summary>
internal static unsafe class SpanCall
{
    public const string WhyUnshifted = "for spans, which do not say where a sequence ends; tensors do";

    /// <param name="call">What is asked for.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="vocabularySize">The length of a row.</param>
    /// <param name="options">The options, or none.</param>
    /// <param name="wantsGradient">Whether the gradient of the logits is wanted.</param>
    /// <param name="logitsGradient">Where it goes.</param>
    public static PtxLossResult Run<TCall, TLogit, TTarget>(
        TCall call,
        ReadOnlySpan<TLogit> logits,
        TargetList<TTarget> targets,
        int vocabularySize,
        PtxLossOptions? options,
        bool wantsGradient = false,
        Span<TLogit> logitsGradient = default)
        where TCall : struct, ICall<TTarget>, allows ref struct
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        options ??= PtxLossOptions.Default;
        OptionChecks.Check(options, call.Honoured, targets.AreSoft, WhyUnshifted);
        int tokens = targets.Tokens;
        BatchShapes.Check(logits.Length, tokens, vocabularySize);
        if (wantsGradient)
        {
            MemoryChecks.CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");
        }

        fixed (TLogit* logitsStart = logits, gradientStart = logitsGradient)
        fixed (TTarget* ids = targets.Ids)
        fixed (float* probabilities = targets.Probabilities)
        {
            var source = new LogitMemory<TLogit, TTarget>(
                new(logitsStart, tokens, vocabularySize), new(gradientStart, tokens, vocabularySize), wantsGradient);
            var rows = new TargetRows<TTarget>(ids, probabilities, tokens, targets.IdsPerToken, options.IgnoreIndex);
            return call.Run(in source, in rows, [tokens], options);
        }
    }
}
