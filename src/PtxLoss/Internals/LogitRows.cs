namespace PtxLosses.Internals;

/// <summary>A pinned matrix of logits or of their gradients: one row of <see cref="VocabularySize"/> values per token.</summary>
internal readonly unsafe struct LogitRows<TLogit>(TLogit* start, int vocabularySize)
    where TLogit : unmanaged
{
    private const long LargerThanCaches = 32 << 20;

    private readonly TLogit* _start = start;

    public int VocabularySize { get; } = vocabularySize;

    public Span<TLogit> this[long token] => new(_start + (token * VocabularySize), VocabularySize);

    /// <summary>
    /// Whether these gradients are better written past the caches: if they are not the logits' own memory, which is in cache by
    /// then, and are larger than the caches, so that nothing of them would be there when they are read. Non-temporal stores must
    /// be aligned.
    /// </summary>
    public bool StreamsBeside(LogitRows<TLogit> logits, long tokens)
        => _start != logits._start
            && tokens * VocabularySize * sizeof(TLogit) > LargerThanCaches
            && (nint)_start % sizeof(TLogit) == 0;
}
