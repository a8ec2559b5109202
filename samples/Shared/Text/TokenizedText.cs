namespace PtxLosses.Samples;

/// <summary>Documents as token ids, and the batches cut from them.</summary>
internal sealed class TokenizedText
{
    /// <summary>The target that the losses leave out by default.</summary>
    public const int Ignored = -100;

    private readonly int[] _stream;
    private readonly int[] _starts;
    private readonly int _endOfDocument;
    private readonly int _context;

    public TokenizedText(IEnumerable<string> documents, ITokenizer tokenizer, int context)
    {
        (_endOfDocument, _context) = (tokenizer.EndOfDocument, context);
        Documents = [.. documents.Select(tokenizer.Encode)];
        var stream = new List<int>();
        var starts = new List<int>();
        foreach (int[] document in Documents)
        {
            // A document that does not fit the context behind the token that starts it is learned in pieces that do.
            foreach (int[] piece in document.Chunk(context - 1))
            {
                starts.Add(stream.Count);
                stream.Add(_endOfDocument);
                stream.AddRange(piece);
            }
        }

        stream.Add(_endOfDocument);
        _stream = [.. stream];
        _starts = [.. starts];
    }

    public IReadOnlyList<int[]> Documents { get; }

    public int TokenCount => _stream.Length;

    /// <summary>Sequences that start at documents drawn at random and run on through the documents that follow.</summary>
    public void Sample(Random random, int batch, int[] tokens, int[] targets)
    {
        for (int sequence = 0; sequence < batch; sequence++)
        {
            int start = _starts[random.Next(_starts.Length)];
            Copy(start, Math.Min(_context, _stream.Length - 1 - start), sequence, batch, tokens, targets);
        }
    }

    /// <summary>The whole text, each token a target once: a sequence holds as many whole documents as fit.</summary>
    public IEnumerable<(int[] Tokens, int[] Targets)> Batches(int batch)
    {
        int document = 0;
        while (document < _starts.Length)
        {
            int[] tokens = new int[batch * _context];
            int[] targets = new int[batch * _context];
            for (int sequence = 0; sequence < batch; sequence++)
            {
                int start = document < _starts.Length ? _starts[document] : _stream.Length - 1;
                int end = start;
                while (document < _starts.Length && EndOf(document) - start <= _context)
                {
                    end = EndOf(document++);
                }

                Copy(start, end - start, sequence, batch, tokens, targets);
            }

            yield return (tokens, targets);
        }
    }

    /// <summary>Where the next document's first token is: the target of this one's last.</summary>
    private int EndOf(int document) => document + 1 < _starts.Length ? _starts[document + 1] : _stream.Length - 1;

    /// <summary>Time-major, as the model wants it: position · batch + sequence.</summary>
    private void Copy(int start, int count, int sequence, int batch, int[] tokens, int[] targets)
    {
        for (int position = 0; position < _context; position++)
        {
            int index = (position * batch) + sequence;
            tokens[index] = position < count ? _stream[start + position] : _endOfDocument;
            targets[index] = position < count ? _stream[start + position + 1] : Ignored;
        }
    }
}
