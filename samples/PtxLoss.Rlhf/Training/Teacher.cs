namespace PtxLosses.Samples.Rlhf;

/// <summary>
/// The pretrained policy, which teaches the policies that it becomes (Li and Hoiem, "Learning without Forgetting", 2016): its
/// top k after each token are the soft targets, with the probabilities that it gives them. What these leave of 1 nobody asks for,
/// and the policy unlearns it: a k for which little is left forgets less.
/// </summary>
internal sealed class Teacher(Transformer transformer, Parameters pretrained, int topK)
{
    private readonly int _topK = Math.Min(topK, pretrained.Shape.Vocabulary);
    private readonly Matrix _logits = new(transformer.Rows, pretrained.Shape.Vocabulary);
    private readonly double[] _logSumExp = new double[transformer.Rows];
    private readonly List<(int[] Ids, float[] Probabilities)> _batches = [];

    /// <summary>
    /// The soft targets of a batch of text. They are computed once and kept, 8 bytes for each id: all runs of a seed read the
    /// same batches in the same order, for they draw as many random numbers at each step.
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
        return new SoftTargets<int>(ids, probabilities, _topK);
    }

    private (int[] Ids, float[] Probabilities) Compute(int[] tokens, int[] targets)
    {
        transformer.Forward(pretrained, tokens);
        Sgemm.Multiply(transformer.Hidden, pretrained.TokenEmbedding.Transposed, _logits);
        CrossEntropy.Forward(_logits.Span, targets, _logits.Columns, new CrossEntropyOutputs { LogSumExp = _logSumExp });
        int[] ids = new int[targets.Length * _topK];
        float[] probabilities = new float[ids.Length];
        Parallel.For(0, targets.Length, token => WriteTargets(
            token,
            targets[token],
            ids.AsSpan(token * _topK, _topK),
            probabilities.AsSpan(token * _topK, _topK)));
        return (ids, probabilities);
    }

    private void WriteTargets(int token, int target, Span<int> ids, Span<float> probabilities)
    {
        if (target == TokenizedText.Ignored)
        {
            ids.Fill(TokenizedText.Ignored); // with no other ids, the token is ignored
            return;
        }

        ReadOnlySpan<float> logits = _logits.Row(token);
        FindLargest(logits, ids);
        for (int i = 0; i < ids.Length; i++)
        {
            probabilities[i] = (float)Math.Exp(logits[ids[i]] - _logSumExp[token]);
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
