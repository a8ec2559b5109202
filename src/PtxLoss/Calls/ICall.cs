using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>
/// What a call asks for: the loss of a batch, or values or gradients per token. Where its logits come from, spans, tensors or
/// hidden states, is another matter: each of these goes with each of those.
/// </summary>
/// <remarks>
/// The one way of every call: <see cref="SpanCall"/>, <see cref="TensorCall"/> or <see cref="HiddenCall"/> checks options and
/// shapes and pins memory; <see cref="Run"/> checks lengths, targets and overlaps, and has the rows visited.
/// </remarks>
internal interface ICall<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>The options that it can honour, whatever the logits come from.</summary>
    HonouredOptions Honoured { get; }

    /// <param name="source">The logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="shape">Their shape, to name one at fault by its indices.</param>
    /// <param name="options">The options, in range.</param>
    /// <returns>The loss; nothing of meaning where what is asked for is per token.</returns>
    PtxLossResult Run<TSource>(
        scoped in TSource source, scoped in TargetRows<TTarget> targets, scoped ReadOnlySpan<nint> shape, PtxLossOptions options)
        where TSource : struct, ILogitSource<TTarget>;
}

/// <summary>Where the logits of a call come from, pinned and of checked shapes; and where their gradients go.</summary>
internal interface ILogitSource<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    int VocabularySize { get; }

    /// <summary>Checks that what is written shares no memory with anything else.</summary>
    /// <param name="options">The options.</param>
    /// <param name="read">What the call reads besides.</param>
    /// <param name="written">What the call writes besides.</param>
    void CheckMemory(PtxLossOptions options, ReadOnlySpan<NamedMemory> read, ReadOnlySpan<NamedMemory> written);

    /// <summary>Visits all rows and returns the sums of their losses.</summary>
    /// <param name="tokens">What goes with each token.</param>
    /// <param name="options">What is asked of each row.</param>
    /// <param name="scale">∂(what is differentiated) / ∂(the loss of a token that counts once).</param>
    /// <param name="count">How many tokens count, at most.</param>
    TokenLosses Run(in TokenMemory<TTarget> tokens, in RowOptions options, double scale, long count);
}

/// <summary>Memory, and what it is called in messages.</summary>
internal readonly record struct NamedMemory(MemoryRange Memory, string Name);
