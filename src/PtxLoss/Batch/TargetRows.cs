using System.Numerics;
using PtxLosses.Common;

namespace PtxLosses.Batch;

/// <summary>
/// The pinned targets, and which of them the row of a token predicts. Tokens, that is rows of logits, and positions, the places
/// of targets, are both counted over the dimensions of the targets, of which the last, the sequence, runs fastest.
/// </summary>
internal readonly unsafe struct TargetRows<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly TTarget* _start;
    private readonly RowLayout _offsets;
    private readonly long _shiftedLength;

    /// <summary>Targets next to each other, each predicted by its own row.</summary>
    public TargetRows(TTarget* start, long count, int? ignoreIndex)
        : this(start, new RowLayout(count, 1), shiftedLength: 0, ignoreIndex)
    {
    }

    /// <param name="start">The first target.</param>
    /// <param name="offsets">Where all of them are.</param>
    /// <param name="shiftedLength">
    /// The length of a sequence where each row predicts the target behind its own, and the last of a sequence none; 0 where each
    /// predicts its own.
    /// </param>
    /// <param name="ignoreIndex">The target that counts nowhere.</param>
    public TargetRows(TTarget* start, RowLayout offsets, long shiftedLength, int? ignoreIndex)
    {
        _start = start;
        _offsets = offsets;
        _shiftedLength = shiftedLength;
        IgnoreIndex = ignoreIndex;
        Count = offsets.Count;
    }

    /// <summary>How many targets there are, which is how many tokens.</summary>
    public long Count { get; }

    public int? IgnoreIndex { get; }

    /// <summary>From the first target to the last, with what is between them.</summary>
    public MemoryRange Memory => MemoryRange.Of(_start, Count == 0 ? 0 : _offsets.Last + 1);

    /// <summary>The target at a position.</summary>
    public TTarget this[long position] => _start[_offsets.Of(position)];

    /// <summary>
    /// The position of the target, and of the weight, that the row of a token predicts; −1 if it predicts none.
    /// </summary>
    public long PositionOf(long token)
        => _shiftedLength == 0 ? token : (token + 1) % _shiftedLength == 0 ? -1 : token + 1;

    /// <summary>Whether a token counts, with the target it predicts, or the nearest long.</summary>
    public bool Counts(long token, out long target)
    {
        long position = PositionOf(token);
        target = position < 0 ? -1 : long.CreateSaturating(this[position]);
        return position >= 0 && target != IgnoreIndex;
    }
}
