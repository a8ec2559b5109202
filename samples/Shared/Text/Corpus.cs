namespace PtxLosses.Samples;

/// <summary>The text: documents to train on, and documents that no training step ever sees.</summary>
internal sealed class Corpus
{
    private const int HeldOutEvery = 40;
    private const int FewestDocuments = 1000;

    private Corpus(string source, IEnumerable<string> documents)
    {
        Source = source;

        // Overloads share their summaries: without this, held-out text would be training text.
        string[] distinct = [.. documents.Distinct(StringComparer.Ordinal)];
        if (distinct.Length < FewestDocuments)
        {
            throw new CorpusException(
                $"The corpus ({source}) has {distinct.Length} different paragraphs; at least {FewestDocuments} are needed.");
        }

        HeldOut = [.. distinct.Where((_, index) => index % HeldOutEvery == 0)];
        Training = [.. distinct.Where((_, index) => index % HeldOutEvery != 0)];
    }

    public string Source { get; }

    public IReadOnlyList<string> Training { get; }

    public IReadOnlyList<string> HeldOut { get; }

    /// <exception cref="CorpusException">There is no such text, or it is too short to train on.</exception>
    public static Corpus Load(string? file)
    {
        try
        {
            if (file is null)
            {
                (string source, IReadOnlyList<string> summaries) = SdkDocumentation.Read();
                return new Corpus(source, summaries);
            }

            return new Corpus(Path.GetFileName(file), Paragraphs(File.ReadAllText(file)));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"Cannot read the corpus: {problem.Message}", problem);
        }
    }

    /// <summary>Paragraphs are separated by blank lines; a text without blank lines has one per line.</summary>
    private static IEnumerable<string> Paragraphs(string text)
    {
        string[] lines = [.. text.Split('\n').Select(line => line.Trim())];
        if (!lines.SkipLast(1).Any(string.IsNullOrEmpty))
        {
            return lines.Where(line => line.Length > 0);
        }

        return string.Join('\n', lines).Split("\n\n")
            .Select(paragraph => paragraph.Replace('\n', ' ').Trim())
            .Where(paragraph => paragraph.Length > 0);
    }
}

/// <summary>What is wrong with the text.</summary>
internal sealed class CorpusException : SampleException
{
    public CorpusException(string message)
        : base(message)
    {
    }

    public CorpusException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
