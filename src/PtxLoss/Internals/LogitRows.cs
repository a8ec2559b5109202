namespace PtxLosses.Internals;

/// <summary>A pinned matrix of logits or of their gradients: one row of <see cref="VocabularySize"/> values per token.</summary>
internal readonly unsafe struct LogitRows<TLogit>(TLogit* start, int vocabularySize)
    where TLogit : unmanaged
{
    private const long LargerThanCaches = 32 << 20;

    public int VocabularySize { get; } = vocabularySize;

    /// <summary>
    /// Whether a gradient is better written past the caches: if it is not the logits' own memory, which is in cache by then, and
    /// is larger than the caches, so that nothing of it would be there when it is read. Non-temporal stores must be aligned.
    /// </summary>
    public static bool Streams(TLogit* logits, TLogit* gradient, long length)
        => gradient != logits && length * sizeof(TLogit) > LargerThanCaches && (nint)gradient % sizeof(TLogit) == 0;

    public Span<TLogit> this[long token] => new(start + (token * VocabularySize), VocabularySize);
}
