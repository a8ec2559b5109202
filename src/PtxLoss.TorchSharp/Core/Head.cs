using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>Hidden states and an output layer as matrices, without a graph.</summary>
/// <param name="Hidden">The hidden states, [tokens, d], the last dimension dense.</param>
/// <param name="Weight">The weight, [vocabulary, d], the last dimension dense.</param>
/// <param name="Bias">The bias, dense, or <see langword="null"/>.</param>
/// <param name="HiddenShape">The shape that the caller gave the hidden states, [.., d].</param>
internal readonly record struct Head(Tensor Hidden, Tensor Weight, Tensor? Bias, long[] HiddenShape) : IDisposable
{
    /// <summary>Views of tensors whose shapes are checked; copies of those that are not dense.</summary>
    public static Head Of(Tensor hidden, Tensor weight, Tensor? bias)
    {
        using Tensor dense = hidden.DetachedWithDenseRows();
        return new(
            dense.reshape(-1, hidden.LastLength()),
            weight.DetachedWithDenseRows(),
            bias?.DetachedWithDenseRows(),
            hidden.Lengths());
    }

    public ReadOnlySpan<TElement> BiasSpan<TElement>()
        where TElement : unmanaged
        => Bias is null ? [] : TensorMemory.Flat<TElement>(Bias);

    public void KeepAlive()
    {
        GC.KeepAlive(Hidden);
        GC.KeepAlive(Weight);
        GC.KeepAlive(Bias);
    }

    public void Dispose()
    {
        Hidden.Dispose();
        Weight.Dispose();
        Bias?.Dispose();
    }
}

/// <summary>
/// Where the gradients of a head go, each in memory of its own, or <see langword="null"/> where it is not wanted.
/// </summary>
/// <param name="Hidden">That of the hidden states, of their type, shaped as the caller gave them.</param>
/// <param name="Weight">That of the weight, in float, or in double for double.</param>
/// <param name="Bias">That of the bias, as of the weight.</param>
internal readonly record struct HeadGradients(Tensor? Hidden, Tensor? Weight, Tensor? Bias) : IDisposable
{
    /// <summary>Those that are wanted.</summary>
    public Tensor[] Wanted => [.. new[] { Hidden, Weight, Bias }.OfType<Tensor>()];

    public bool AreWanted => Hidden is not null || Weight is not null || Bias is not null;

    /// <summary>Fresh memory for those that are wanted.</summary>
    public static HeadGradients For(in Head head, bool ofHidden, bool ofWeight, bool ofBias)
    {
        torch.ScalarType sums = ElementTypes.OfLosses(head.Weight.dtype);
        return new(
            ofHidden ? FreshMemory.Empty(head.HiddenShape, head.Hidden.dtype, head.Hidden.device) : null,
            ofWeight ? FreshMemory.Empty(head.Weight.Lengths(), sums, head.Weight.device) : null,
            ofBias ? FreshMemory.Empty(head.Bias!.Lengths(), sums, head.Weight.device) : null);
    }

    public HiddenGradients<TElement> Spans<TElement>()
        where TElement : unmanaged
    {
        var spans = new HiddenGradients<TElement>();
        if (Hidden is not null)
        {
            spans.Hidden = TensorMemory.WriteMatrix<TElement>(Hidden);
        }

        if (Weight is not null)
        {
            spans.Weight = TensorMemory.Write<float>(Weight, dimensions: 2);
        }

        if (Bias is not null)
        {
            spans.Bias = TensorMemory.Flat<float>(Bias);
        }

        return spans;
    }

    public void KeepAlive()
    {
        GC.KeepAlive(Hidden);
        GC.KeepAlive(Weight);
        GC.KeepAlive(Bias);
    }

    public void Dispose()
    {
        Hidden?.Dispose();
        Weight?.Dispose();
        Bias?.Dispose();
    }
}
