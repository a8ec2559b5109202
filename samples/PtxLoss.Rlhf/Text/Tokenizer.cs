using System.Text;
using System.Text.RegularExpressions;

namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// Byte-pair encoding (Sennrich et al. 2016) over UTF-8 bytes, as in GPT-2: ids below 256 are bytes, each later one joins two
/// earlier ones, and the last one ends a document. Every text has an encoding, and decoding gives it back exactly.
/// </summary>
internal sealed partial class Tokenizer : ITokenizer
{
    private readonly Dictionary<(int Left, int Right), int> _merges = [];
    private readonly List<byte[]> _tokens = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })];
    private readonly Dictionary<string, int[]> _words = new(StringComparer.Ordinal);

    private Tokenizer()
    {
    }

    public int EndOfDocument => _tokens.Count;

    public int VocabularySize => _tokens.Count + 1;

    public static Tokenizer Train(IEnumerable<string> documents, int vocabularySize)
    {
        var tokenizer = new Tokenizer();
        var statistics = new PairStatistics(documents.SelectMany(Words).CountBy(word => word, StringComparer.Ordinal)
            .Select(entry => (Array.ConvertAll(Encoding.UTF8.GetBytes(entry.Key), value => (int)value), entry.Value)));
        while (tokenizer.VocabularySize < vocabularySize && statistics.MostFrequent() is { } pair)
        {
            int joined = tokenizer._tokens.Count;
            statistics.Join(pair, joined);
            tokenizer._merges.Add(pair, joined);
            tokenizer._tokens.Add([.. tokenizer._tokens[pair.Left], .. tokenizer._tokens[pair.Right]]);
        }

        return tokenizer;
    }

    public int[] Encode(string text) => [.. Words(text).SelectMany(EncodeWord)];

    public string Decode(IEnumerable<int> tokens)
    {
        var bytes = new List<byte>();
        foreach (int token in tokens)
        {
            bytes.AddRange(token == EndOfDocument ? "\n"u8 : _tokens[token]);
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static IEnumerable<string> Words(string text)
    {
        foreach (Match match in WordPattern().Matches(text))
        {
            yield return match.Value;
        }
    }

    private int[] EncodeWord(string word)
    {
        if (_words.TryGetValue(word, out int[]? known))
        {
            return known;
        }

        List<int> symbols = [.. Array.ConvertAll(Encoding.UTF8.GetBytes(word), value => (int)value)];
        while (true)
        {
            // Merges in the order in which they were learned; ids count up, so the lowest id is the earliest.
            int best = int.MaxValue, at = -1;
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                if (_merges.TryGetValue((symbols[i], symbols[i + 1]), out int joined) && joined < best)
                {
                    (best, at) = (joined, i);
                }
            }

            if (at < 0)
            {
                return _words[word] = [.. symbols];
            }

            symbols[at] = best;
            symbols.RemoveAt(at + 1);
        }
    }

    /// <summary>A word takes the space before it along, so that most words are one token.</summary>
    [GeneratedRegex(@" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: -1)]
    private static partial Regex WordPattern();

    /// <summary>How often each pair of neighbours occurs, kept up to date while pairs are joined.</summary>
    private sealed class PairStatistics
    {
        private readonly List<(int[] Symbols, int Count)> _words;
        private readonly Dictionary<(int Left, int Right), long> _counts = [];
        private readonly Dictionary<(int Left, int Right), HashSet<int>> _wordsWith = [];

        public PairStatistics(IEnumerable<(int[] Symbols, int Count)> words)
        {
            _words = [.. words];
            for (int word = 0; word < _words.Count; word++)
            {
                Add(word, 1);
            }
        }

        /// <summary>Ties go to the lowest ids, for a vocabulary that does not depend on the order of a hash table.</summary>
        public (int Left, int Right)? MostFrequent()
        {
            (int Left, int Right)? best = null;
            long most = 1;
            foreach (((int Left, int Right) pair, long count) in _counts)
            {
                if (count > most || (count == most && best is not null && pair.CompareTo(best.Value) < 0))
                {
                    (best, most) = (pair, count);
                }
            }

            return best;
        }

        public void Join((int Left, int Right) pair, int joined)
        {
            int[] affected = [.. _wordsWith[pair]];
            foreach (int word in affected)
            {
                Add(word, -1);
                (int[] symbols, int count) = _words[word];
                var shorter = new List<int>(symbols.Length);
                for (int i = 0; i < symbols.Length; i++)
                {
                    bool match = i + 1 < symbols.Length && (symbols[i], symbols[i + 1]) == pair;
                    shorter.Add(match ? joined : symbols[i]);
                    i += match ? 1 : 0;
                }

                _words[word] = ([.. shorter], count);
                Add(word, 1);
            }
        }

        private void Add(int word, int sign)
        {
            (int[] symbols, int count) = _words[word];
            for (int i = 0; i + 1 < symbols.Length; i++)
            {
                (int Left, int Right) pair = (symbols[i], symbols[i + 1]);
                long now = _counts.GetValueOrDefault(pair) + ((long)sign * count);
                HashSet<int> containing = _wordsWith.TryGetValue(pair, out HashSet<int>? found) ? found : _wordsWith[pair] = [];
                if (sign > 0)
                {
                    containing.Add(word);
                }
                else
                {
                    containing.Remove(word);
                }

                if (now == 0)
                {
                    _counts.Remove(pair);
                    _wordsWith.Remove(pair);
                }
                else
                {
                    _counts[pair] = now;
                }
            }
        }
    }
}
