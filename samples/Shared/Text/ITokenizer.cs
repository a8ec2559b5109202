namespace PtxLosses.Samples;

/// <summary>Text as ids and back.</summary>
internal interface ITokenizer
{
    int VocabularySize { get; }

    /// <summary>The token before and after every document.</summary>
    int EndOfDocument { get; }

    int[] Encode(string text);

    /// <summary>The token that ends a document is a line feed, and bytes that make no character are U+FFFD.</summary>
    string Decode(IEnumerable<int> tokens);
}
