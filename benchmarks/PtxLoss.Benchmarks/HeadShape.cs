namespace PtxLosses.Benchmarks;

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
