namespace PtxLosses.Samples;

/// <summary>Beginnings of documents.</summary>
internal sealed class PromptSource
{
    private readonly int[][] _prompts;

    public PromptSource(TokenizedText text, int endOfDocument)
    {
        _prompts = [.. text.Documents.Where(document => document.Length >= Rollout.PromptLength)
            .Select(document => (int[])[endOfDocument, .. document.AsSpan(0, Rollout.PromptLength - 1)])];
        if (_prompts.Length == 0)
        {
            throw new CorpusException("No paragraph of the corpus is long enough to make a prompt.");
        }
    }

    public int[][] Draw(Random random, int count) => random.GetItems(_prompts, count);
}
