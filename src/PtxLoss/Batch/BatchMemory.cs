using System.Numerics;

namespace PtxLosses.Batch;

/// <summary>Rows of logits, and what goes with their tokens: validated, and pinned as long as a pass over them lasts.</summary>
internal unsafe struct BatchMemory<TLogit, TTarget>
    where TLogit : unmanaged
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    public LogitRows<TLogit> Logits;

    public TokenMemory<TTarget> Tokens;

    /// <summary>The token of each row, where only some tokens have one; null where each has the row of its own number.</summary>
    public long* TokenOfRow;

    /// <summary>Where the gradient goes, if <see cref="WantsGradient"/>.</summary>
    public LogitRows<TLogit> Gradient;
    public bool WantsGradient;

    public readonly long TokenOf(long row) => TokenOfRow == null ? row : TokenOfRow[row];
}
