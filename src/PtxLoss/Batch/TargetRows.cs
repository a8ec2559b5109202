using System.Numerics;
using PtxLosses.Common;

namespace PtxLosses.Batch;

/// <summary>
/// The pinned targets, and which of them the row of a token predicts: one, or for soft targets some ids with a probability
/// each. Tokens, that is rows of logits, and positions, the places of targets, are both counted over the dimensions of the
/// targets, of which the last, the sequence, runs fastest.
/// </summary>
internal readonly unsafe struct TargetRows<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    private readonly TTarget* _start;
    private readonly float* _probabilities;
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
        IdsPerToken = 1;
    }

    /// <summary>Soft targets: so many ids, and as many probabilities, for each token.</summary>
    public TargetRows(TTarget* ids, float* probabilities, long count, int idsPerToken, int? ignoreIndex)
        : this(ids, new RowLayout(count, idsPerToken), shiftedLength: 0, ignoreIndex)
    {
        _probabilities = probabilities;
        IdsPerToken = idsPerToken;
    }

    /// <summary>How many tokens there are.</summary>
    public long Count { get; }

    /// <summary>How many ids each token has, ignored ones included.</summary>
    public int IdsPerToken { get; }

    /// <summary>Whether ids have probabilities.</summary>
    public bool AreSoft => _probabilities != null;

    public int? IgnoreIndex { get; }

    /// <summary>From the first target to the last, with what is between them.</summary>
    public MemoryRange Memory => MemoryRange.Of(_start, Count == 0 ? 0 : _offsets.Last + IdsPerToken);

    public MemoryRange Probabilities => MemoryRange.Of(_probabilities, _probabilities == null ? 0 : Count * IdsPerToken);

    /// <summary>One of the ids at a position.</summary>
    public TTarget this[long position, int place] => _start[_offsets.Of(position) + place];

    /// <summary>
    /// The position of the target, and of the weight, that the row of a token predicts; −1 if it predicts none.
    /// </summary>
    public long PositionOf(long token)
        => _shiftedLength == 0 ? token : (token + 1) % _shiftedLength == 0 ? -1 : token + 1;

    /// <summary>Whether one of a token's ids counts, with the id, or the nearest long.</summary>
    public bool Counts(long token, int place, out long id)
    {
        long position = PositionOf(token);
        id = position < 0 ? -1 : long.CreateSaturating(this[position, place]);
        return position >= 0 && id != IgnoreIndex;
    }

    /// <summary>Whether any of a token's ids counts.</summary>
    public bool Counts(long token)
    {
        for (int place = 0; place < IdsPerToken; place++)
        {
            if (Counts(token, place, out _))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The probability of one of a token's ids.</summary>
    public float ProbabilityOf(long token, int place)
        => _probabilities == null ? 1 : _probabilities[(token * IdsPerToken) + place];
}
