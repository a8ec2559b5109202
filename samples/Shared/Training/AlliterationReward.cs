using System.Text.RegularExpressions;

namespace PtxLosses.Samples;

/// <summary>
/// How many different words starting with S a continuation has. Ordinary text has few of them, so this reward pulls a policy
/// away from its text. Words count once, or the best policy would repeat one word; and only words of the corpus count, or it
/// would make up new ones from syllables.
/// </summary>
internal sealed partial class AlliterationReward
{
    private readonly string[] _texts;
    private readonly HashSet<string> _words;

    public AlliterationReward(ITokenizer tokenizer, IEnumerable<string> documents)
    {
        _texts = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(token => tokenizer.Decode([token]))];
        _words = documents.SelectMany(document => CountingWord().Matches(document)).Select(match => match.Value)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <param name="prompt">A word that the prompt began does not count.</param>
    /// <param name="continuation">The sampled tokens.</param>
    /// <param name="perToken">1 for each token that completes a word that counts, 0 for the others.</param>
    /// <returns>The sum of <paramref name="perToken"/>.</returns>
    public int Score(ReadOnlySpan<int> prompt, ReadOnlySpan<int> continuation, Span<double> perToken)
    {
        perToken.Clear();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        bool promptsWord = char.IsAsciiLetter(_texts[prompt[^1]][^1]);
        string word = "";
        int lastToken = 0;
        for (int token = 0; token < continuation.Length; token++)
        {
            foreach (char value in _texts[continuation[token]])
            {
                if (char.IsAsciiLetter(value))
                {
                    word += value;
                    lastToken = token;
                    continue;
                }

                perToken[lastToken] += !promptsWord && Counts(word) ? 1 : 0;
                (word, promptsWord) = ("", false);
            }
        }

        perToken[lastToken] += !promptsWord && Counts(word) ? 1 : 0;
        return seen.Count;

        bool Counts(string word) => _words.Contains(word) && seen.Add(word);
    }

    [GeneratedRegex(@"\b[Ss][A-Za-z]+\b", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: -1)]
    private static partial Regex CountingWord();
}
