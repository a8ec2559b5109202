using Microsoft.ML.Tokenizers;

namespace PtxLosses.Samples.Gpt;

/// <summary>GPT-2's own tokenizer, with its 50,257 ids.</summary>
internal sealed class Gpt2Tokenizer : ITokenizer
{
    private const string EndOfText = "<|endoftext|>";

    private readonly TiktokenTokenizer _tokenizer = TiktokenTokenizer.CreateForModel("gpt2");

    public int EndOfDocument => _tokenizer.SpecialTokens![EndOfText];

    /// <summary>The end of a document is the last id.</summary>
    public int VocabularySize => EndOfDocument + 1;

    public int[] Encode(string text) => [.. _tokenizer.EncodeToIds(text)];

    public string Decode(IEnumerable<int> tokens) => _tokenizer.Decode(tokens).Replace(EndOfText, "\n");
}
