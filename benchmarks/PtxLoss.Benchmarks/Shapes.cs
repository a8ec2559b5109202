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

/// <summary>Hidden states, a row per token, and the last layer's weight, a row as wide for each word of the vocabulary.</summary>
internal readonly record struct HeadShape(int Tokens, int Width, int VocabularySize)
{
    /// <summary>Those of a batch of GPT-2's (padded), of a few tokens of Llama 3's, and of a small model's.</summary>
    public static IReadOnlyList<HeadShape> Defaults { get; } =
        [new(1024, 768, 50_304), new(16, 4096, 128_256), new(256, 64, 1000)];

    public Shape Logits => new(Tokens, VocabularySize);

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static HeadShape Parse(string text)
        => text.Split('x') is [var tokens, var width, var vocabularySize]
            ? Parse(tokens, width, vocabularySize)
            : throw new FormatException($"A shape is tokens x width x vocabulary, as in 1024x768x50304, not {text}.");

    public static HeadShape Parse(string tokens, string width, string vocabularySize) => new(
        int.Parse(tokens),
        int.Parse(width),
        int.Parse(vocabularySize));

    /// <summary>
    /// The additions and multiplications of the products alone: one for the logits, and one for each of two gradients.
    /// </summary>
    public double Operations(Work work) => (work == Work.Forward ? 2.0 : 6.0) * Tokens * Width * VocabularySize;

    /// <summary>As in "1024x768x50304".</summary>
    public override string ToString() => $"{Tokens}x{Width}x{VocabularySize}";
}
