namespace PtxLosses.Benchmarks;

/// <summary>A matrix of float logits, one row per token.</summary>
public readonly record struct Shape(int Tokens, int VocabularySize)
{
    /// <summary>What fits the caches of one core or of most processors, with the vocabularies of Llama 2 and GPT-2.</summary>
    public static IReadOnlyList<Shape> InCache { get; } = [new(4, 32_000), new(16, 50_257)];

    /// <summary>What fits no cache, with the vocabularies of GPT-2 (padded) and Llama 3: 206 MB and 263 MB.</summary>
    public static IReadOnlyList<Shape> OutOfCache { get; } = [new(1024, 50_304), new(512, 128_256)];

    /// <summary>The number of logits.</summary>
    public int Logits => checked(Tokens * VocabularySize);

    /// <summary>The size of the logits.</summary>
    public long LogitBytes => (long)Logits * sizeof(float);

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static Shape Parse(string text)
        => text.Split('x') is [var tokens, var vocabularySize]
            ? new(int.Parse(tokens), int.Parse(vocabularySize))
            : throw new FormatException($"A shape is tokens x vocabulary, as in 1024x50304, not {text}.");

    /// <summary>As in "1024x50304".</summary>
    public override string ToString() => $"{Tokens}x{VocabularySize}";
}
