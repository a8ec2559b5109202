using System.Numerics.Tensors;
using PtxLosses.Batch;
using PtxLosses.Calls;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// The ids that tokens predict and their weights: checked, shifted if need be, and in memory of their own, so that a backward
/// pass finds them as they were.
/// </summary>
internal sealed unsafe class Targets
{
    /// <param name="ids">The ids, of the leading shape of logits or hidden states.</param>
    /// <param name="idsName">The parameter at fault if one is out of range.</param>
    /// <param name="token_weights">A weight for each, or none.</param>
    /// <param name="vocabularySize">The number of ids.</param>
    /// <param name="options">The options.</param>
    public Targets(Tensor ids, string idsName, Tensor? token_weights, long vocabularySize, PtxLossOptions options)
    {
        Shape = Array.ConvertAll(ids.Lengths(), length => (nint)length);
        Ids = Copy<long>(ids, torch.ScalarType.Int64);
        Weights = token_weights is null ? null : Copy<float>(token_weights, torch.ScalarType.Float32);
        try
        {
            Count = CountTokens(vocabularySize, options);
        }
        catch (ArgumentException e)
        {
            throw ArgumentNames.Renamed(e, idsName);
        }

        Options = options;
        if (options.ShiftTargets)
        {
            // Ids that count are known to be at least 0, so −1 is free to mark the places behind the ends.
            int ignored = options.IgnoreIndex ?? -1;
            Shift(Ids, ignored);
            Shift(Weights, 0);
            Options = options with { ShiftTargets = false, IgnoreIndex = ignored };
        }
    }

    /// <summary>The id that each position predicts, in row-major order.</summary>
    public long[] Ids { get; }

    /// <summary>Their weights, or <see langword="null"/>.</summary>
    public float[]? Weights { get; }

    /// <summary>The tokens that count.</summary>
    public BatchCount Count { get; }

    /// <summary>The options, without the shift.</summary>
    public PtxLossOptions Options { get; }

    /// <summary>The shape that the caller gave.</summary>
    public nint[] Shape { get; }

    /// <summary>The ids beside logits, which have a dimension more: a scalar stands for one token.</summary>
    public ReadOnlyTensorSpan<long> Span => new(Ids, Shape.Length == 0 ? [1] : Shape);

    /// <summary>Whether an id counts.</summary>
    public bool Counts(long id) => id != Options.IgnoreIndex;

    private static T[] Copy<T>(Tensor tensor, torch.ScalarType type)
        where T : unmanaged
    {
        if (tensor.device_type == DeviceType.CPU && tensor.dtype == type && tensor.is_contiguous())
        {
            return TensorMemory.Flat<T>(tensor).ToArray();
        }

        using Tensor here = tensor.cpu();
        using Tensor typed = here.to_type(type);
        using Tensor dense = typed.contiguous();
        return TensorMemory.Flat<T>(dense).ToArray();
    }

    private BatchCount CountTokens(long vocabularySize, PtxLossOptions options)
    {
        fixed (long* start = Ids)
        {
            long shiftedLength = options.ShiftTargets && Ids.Length > 0 ? Shape[^1] : 0;
            var rows = new TargetRows<long>(start, new RowLayout(Ids.Length, 1), shiftedLength, options.IgnoreIndex);
            return BatchCount.Of(in rows, vocabularySize, Shape, Weights);
        }
    }

    /// <summary>Puts at each place what stands at the next one in its sequence, the last dimension.</summary>
    private void Shift<T>(T[]? values, T behindTheEnd)
    {
        int length = values is null or [] ? 0 : (int)Shape[^1];
        for (int start = 0; start < values?.Length; start += length)
        {
            Span<T> sequence = values.AsSpan(start, length);
            sequence[1..].CopyTo(sequence);
            sequence[^1] = behindTheEnd;
        }
    }
}
