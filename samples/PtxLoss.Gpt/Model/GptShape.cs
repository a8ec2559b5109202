namespace PtxLosses.Samples.Gpt;

/// <summary>The sizes of a <see cref="GptModel"/>: with GPT-2's vocabulary, a small one.</summary>
/// <param name="Vocabulary">Ids of the tokenizer.</param>
/// <param name="Context">The longest sequence.</param>
/// <param name="Width">Of the hidden states.</param>
/// <param name="Layers">Blocks of attention and perceptron.</param>
/// <param name="Heads">Of each attention.</param>
internal sealed record GptShape(long Vocabulary, long Context, long Width = 256, long Layers = 2, long Heads = 4);
