using PtxLosses.Common;

namespace PtxLosses.Batch;

/// <summary>
/// Pinned rows of logits or of their gradients: <see cref="VocabularySize"/> values next to each other per token.
/// </summary>
internal readonly unsafe struct LogitRows<TLogit>
    where TLogit : unmanaged
{
    private const long LargerThanCaches = 32 << 20;

    private readonly TLogit* _start;
    private readonly RowLayout _offsets;

    /// <summary>Rows that follow each other without a gap.</summary>
    public LogitRows(TLogit* start, long tokens, int vocabularySize)
        : this(start, new RowLayout(tokens, vocabularySize), vocabularySize)
    {
    }

    public LogitRows(TLogit* start, RowLayout offsets, int vocabularySize)
    {
        _start = start;
        _offsets = offsets;
        VocabularySize = vocabularySize;
    }

    public int VocabularySize { get; }

    /// <summary>How many rows there are.</summary>
    public long Count => _offsets.Count;

    public Span<TLogit> this[long token] => new(_start + _offsets.Of(token), VocabularySize);

    /// <summary>From the first row to the end of the last, with what is between them.</summary>
    public MemoryRange Memory => MemoryRange.Of(_start, _offsets.Count == 0 ? 0 : _offsets.Last + VocabularySize);

    /// <summary>Whether two of the rows may share elements.</summary>
    public bool OverlapThemselves => RowLayoutOverlap.WithinOne(in _offsets, VocabularySize);

    /// <summary>Whether these are the same rows of the same memory; their shape is the same.</summary>
    public bool AreSame(in LogitRows<TLogit> other) => _start == other._start && _offsets.AreSame(in other._offsets);

    /// <summary>
    /// Whether a row may share elements with one of the others, of the same shape: not if the memory is disjoint, nor if the
    /// strides are the same and the rows of one lie in the gaps of the other. These rows do not overlap themselves.
    /// </summary>
    public bool Overlap(in LogitRows<TLogit> other)
    {
        if (!Memory.Overlaps(other.Memory))
        {
            return false;
        }

        (long distance, long rest) = Math.DivRem((nint)other._start - (nint)_start, sizeof(TLogit));
        return rest != 0
            || !_offsets.AreSame(in other._offsets)
            || RowLayoutOverlap.WhenMoved(in _offsets, VocabularySize, distance);
    }

    /// <summary>
    /// Whether these gradients are better written past the caches: if they are not the logits' own memory, which is in cache by
    /// then, and are larger than the caches, so that nothing of them would be there when they are read. Non-temporal stores must
    /// be aligned.
    /// </summary>
    public bool ExceedsCachesBeside(in LogitRows<TLogit> logits)
        => _start != logits._start
            && _offsets.Count * VocabularySize * sizeof(TLogit) > LargerThanCaches
            && (nint)_start % sizeof(TLogit) == 0;
}
