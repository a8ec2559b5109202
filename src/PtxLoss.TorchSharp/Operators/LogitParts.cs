using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Rows of logits, some at a time, to be computed with in float, or in double for double; and where their gradient goes.</summary>
internal abstract class LogitParts(long tokens, long vocabularySize, torch.ScalarType type, torch.Device device)
{
    public long Tokens { get; } = tokens;

    public long VocabularySize { get; } = vocabularySize;

    /// <summary>The type to compute with.</summary>
    public torch.ScalarType Type { get; } = ElementTypes.OfLosses(type);

    public torch.Device Device { get; } = device;

    /// <summary>Whether a gradient is wanted.</summary>
    public abstract bool WantsGradient { get; }

    /// <summary>The logits of some tokens, [count, vocabulary].</summary>
    public abstract Tensor Read(long start, long count);

    /// <summary>Takes the gradient of some tokens' logits.</summary>
    public abstract void Write(long start, Tensor gradient);
}

/// <summary>Logits in memory, of any strides.</summary>
internal sealed class StoredLogits(Tensor logits, Tensor? gradient, long tokens)
    : LogitParts(tokens, logits.LastLength(), logits.dtype, logits.device)
{
    public override bool WantsGradient => gradient is not null;

    public override Tensor Read(long start, long count)
    {
        Tensor[] runs = [.. Runs(logits, start, count)];
        return (runs.Length == 1 ? runs[0] : torch.cat(runs, 0)).to_type(Type);
    }

    public override void Write(long start, Tensor rows)
    {
        long read = 0;
        foreach (Tensor run in Runs(gradient!, start, rows.size(0)))
        {
            run.copy_(rows.narrow(0, read, run.size(0)));
            read += run.size(0);
        }
    }

    /// <summary>Views of rows at one distance, [count, vocabulary], of which the part consists.</summary>
    private IEnumerable<Tensor> Runs(Tensor tensor, long start, long count)
    {
        Tensor all = tensor.is_contiguous() || tensor.dim() == 1 ? tensor.view(Tokens, VocabularySize) : tensor;
        long[] shape = all.Lengths();
        for (long end = start + count; start < end;)
        {
            (long outer, long inner) = Math.DivRem(start, shape[^2]);
            long length = Math.Min(end - start, shape[^2] - inner);
            Tensor run = all;
            for (int i = shape.Length - 3; i >= 0; i--)
            {
                (outer, long index) = Math.DivRem(outer, shape[i]);
                run = run.select(i, index);
            }

            yield return run.narrow(0, inner, length);
            start += length;
        }
    }
}

/// <summary>Logits that are computed from hidden states when they are read.</summary>
internal sealed class HeadLogits : LogitParts
{
    private readonly Head _head;
    private readonly HeadGradients _gradients;

    public HeadLogits(Head head, HeadGradients gradients)
        : base(head.Hidden.size(0), head.Weight.size(0), head.Hidden.dtype, head.Hidden.device)
    {
        (_head, _gradients) = (head, gradients);
        gradients.Weight?.zero_();
        gradients.Bias?.zero_();
    }

    public override bool WantsGradient => _gradients.AreWanted;

    public override Tensor Read(long start, long count)
        => torch.nn.functional.linear(_head.Hidden.narrow(0, start, count), _head.Weight, _head.Bias).to_type(Type);

    public override void Write(long start, Tensor gradient)
    {
        Tensor rows = gradient.to_type(_head.Weight.dtype);
        if (_gradients.Hidden is { } ofHidden)
        {
            ofHidden.view(Tokens, _head.Weight.size(1)).narrow(0, start, gradient.size(0)).copy_(rows.mm(_head.Weight));
        }

        _gradients.Weight?.add_(rows.t().mm(_head.Hidden.narrow(0, start, gradient.size(0))));
        _gradients.Bias?.add_(gradient.sum(dim: 0));
    }
}
