namespace PtxLosses.Internals;

/// <summary>A pinned matrix of logits or of their gradients: one row of <see cref="VocabularySize"/> values per token.</summary>
internal readonly unsafe struct LogitRows<TLogit>(TLogit* start, int vocabularySize)
    where TLogit : unmanaged
{
    public int VocabularySize { get; } = vocabularySize;

    public Span<TLogit> this[long token] => new(start + (token * VocabularySize), VocabularySize);
}
