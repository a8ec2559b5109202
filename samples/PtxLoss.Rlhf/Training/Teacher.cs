namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// The pretrained policy, which teaches the policies that it becomes (Li and Hoiem, "Learning without Forgetting", 2016): its
/// top k after each token are the soft targets, with the probabilities that it gives them, which add up to less than 1. Nothing
/// else asked for, the policy would unlearn all other tokens; so where the text goes on with one of those, that one is a target
/// too, with q = 1. On average this is the mass that the top k leave.
/// </summary>
internal sealed class Teacher(Transformer transformer, Parameters pretrained, int topK)
{
    private readonly int _topK = Math.Min(topK, pretrained.Shape.Vocabulary);
    private readonly Matrix _logits = new(transformer.Rows, pretrained.Shape.Vocabulary);
    private readonly double[] _logSumExp = new double[transformer.Rows];
    private readonly List<(int[] Ids, float[] Probabilities)> _batches = [];

    // And the text's own token.
    private int IdsPerToken => _topK + 1;

    /// <summary>
    /// The soft targets of a batch of text. They are computed once and kept, 8 bytes for each id: all runs of a seed read the same
    /// batches in the same order, for they draw as many random numbers at each step.
    /// </summary>
    /// <param name="batch">Which batch of a run it is, from 0.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="targets">The token that follows each, or an ignored one.</param>
    public SoftTargets<int> Targets(int batch, int[] tokens, int[] targets)
    {
        if (batch == _batches.Count)
        {
            _batches.Add(Compute(tokens, targets));
        }

        (int[] ids, float[] probabilities) = _batches[batch];
        return new SoftTargets<int>(ids, probabilities, IdsPerToken);
    }

    private (int[] Ids, float[] Probabilities) Compute(int[] tokens, int[] targets)
    {
        transformer.Forward(pretrained, tokens);
        Sgemm.Multiply(transformer.Hidden, pretrained.TokenEmbedding.Transposed, _logits);
        CrossEntropy.Forward(_logits.Span, targets, _logits.Columns, new CrossEntropyOutputs { LogSumExp = _logSumExp });
        int[] ids = new int[targets.Length * IdsPerToken];
        float[] probabilities = new float[ids.Length];
        Parallel.For(0, targets.Length, token => WriteTargets(
            token,
            targets[token],
            ids.AsSpan(token * IdsPerToken, IdsPerToken),
            probabilities.AsSpan(token * IdsPerToken, IdsPerToken)));
        return (ids, probabilities);
    }

    private void WriteTargets(int token, int target, Span<int> ids, Span<float> probabilities)
    {
        // Ids that are ignored are unused places, and a token with no others is ignored.
        ids.Fill(TokenizedText.Ignored);
        if (target == TokenizedText.Ignored)
        {
            return;
        }

        ReadOnlySpan<float> logits = _logits.Row(token);
        Span<int> top = ids[.._topK];
        FindLargest(logits, top);
        for (int i = 0; i < top.Length; i++)
        {
            probabilities[i] = (float)Math.Exp(logits[top[i]] - _logSumExp[token]);
        }

        if (!top.Contains(target))
        {
            (ids[_topK], probabilities[_topK]) = (target, 1);
        }
    }

    /// <summary>The ids of the largest logits, in the ascending order that the loss reads fastest.</summary>
    private static void FindLargest(ReadOnlySpan<float> logits, Span<int> ids)
    {
        var largest = new PriorityQueue<int, float>(ids.Length);
        for (int id = 0; id < logits.Length; id++)
        {
            if (largest.Count < ids.Length)
            {
                largest.Enqueue(id, logits[id]);
            }
            else if (largest.TryPeek(out _, out float lowest) && logits[id] > lowest)
            {
                largest.DequeueEnqueue(id, logits[id]);
            }
        }

        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = largest.Dequeue();
        }

        ids.Sort();
    }
}
