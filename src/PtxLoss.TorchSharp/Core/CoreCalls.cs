using System.Numerics.Tensors;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>A loss over logits.</summary>
/// <param name="RlLoss">The RL loss of the step.</param>
/// <param name="Logits">The logits.</param>
/// <param name="Targets">The targets.</param>
/// <param name="Coefficient">γ.</param>
/// <param name="Gradient">Receives the gradient, if it is wanted.</param>
internal readonly record struct CoreLoss(double RlLoss, Tensor Logits, Targets Targets, double Coefficient, Tensor? Gradient)
    : ITypedCall<PtxLossResult>
{
    public PtxLossResult Run<TElement>()
        where TElement : unmanaged
    {
        ReadOnlyTensorSpan<TElement> logits = TensorMemory.Read<TElement>(Logits, dimensions: 2);
        PtxLossResult result = Gradient is null
            ? PtxLoss.Compute(RlLoss, logits, Targets.Span, Coefficient, Targets.Options, Targets.Weights)
            : PtxLoss.ComputeWithGradient(
                RlLoss,
                logits,
                Targets.Span,
                Coefficient,
                TensorMemory.Write<TElement>(Gradient, dimensions: 2),
                Targets.Options,
                Targets.Weights);
        GC.KeepAlive(Logits);
        GC.KeepAlive(Gradient);
        return result;
    }
}

/// <summary>A loss from hidden states.</summary>
/// <param name="RlLoss">The RL loss of the step.</param>
/// <param name="Head">The hidden states and the layer.</param>
/// <param name="Targets">The targets.</param>
/// <param name="Coefficient">γ.</param>
/// <param name="Gradients">Receive the gradients, those that are wanted.</param>
internal readonly record struct CoreHeadLoss(
    double RlLoss, Head Head, Targets Targets, double Coefficient, HeadGradients Gradients)
    : ITypedCall<PtxLossResult>
{
    public PtxLossResult Run<TElement>()
        where TElement : unmanaged
    {
        ReadOnlyTensorSpan<TElement> hidden = TensorMemory.Read<TElement>(Head.Hidden, dimensions: 2);
        ReadOnlyTensorSpan<TElement> weight = TensorMemory.Read<TElement>(Head.Weight, dimensions: 2);
        ReadOnlySpan<TElement> bias = Head.BiasSpan<TElement>();
        PtxLossResult result = Gradients.AreWanted
            ? PtxLoss.ComputeFromHiddenWithGradient<TElement, long>(
                RlLoss,
                hidden,
                weight,
                Targets.Ids,
                Coefficient,
                Gradients.Spans<TElement>(),
                Targets.Options,
                bias,
                Targets.Weights)
            : PtxLoss.ComputeFromHidden<TElement, long>(
                RlLoss, hidden, weight, Targets.Ids, Coefficient, Targets.Options, bias, Targets.Weights);
        Head.KeepAlive();
        Gradients.KeepAlive();
        return result;
    }
}

/// <summary>Values per token over logits.</summary>
internal readonly record struct CoreTokens(Tensor Logits, Targets Targets, TokenValues Values) : ITypedCall<bool>
{
    public bool Run<TElement>()
        where TElement : unmanaged
    {
        CrossEntropy.Forward(TensorMemory.Read<TElement>(Logits, dimensions: 2), Targets.Span, Values.Outputs, Targets.Options);
        GC.KeepAlive(Logits);
        return true;
    }
}

/// <summary>Their vector-Jacobian product.</summary>
internal readonly record struct CoreTokensBackward(
    Tensor Logits, Targets Targets, TokenValues Values, TokenGradients Gradients, Tensor LogitsGradient) : ITypedCall<bool>
{
    public bool Run<TElement>()
        where TElement : unmanaged
    {
        CrossEntropy.Backward(
            TensorMemory.Read<TElement>(Logits, dimensions: 2),
            Targets.Span,
            Values.Outputs,
            Gradients.Spans,
            TensorMemory.Write<TElement>(LogitsGradient, dimensions: 2),
            Targets.Options);
        GC.KeepAlive(Logits);
        GC.KeepAlive(LogitsGradient);
        return true;
    }
}

/// <summary>Values per token from hidden states.</summary>
internal readonly record struct CoreHeadTokens(Head Head, Targets Targets, TokenValues Values) : ITypedCall<bool>
{
    public bool Run<TElement>()
        where TElement : unmanaged
    {
        CrossEntropy.ForwardFromHidden<TElement, long>(
            TensorMemory.Read<TElement>(Head.Hidden, dimensions: 2),
            TensorMemory.Read<TElement>(Head.Weight, dimensions: 2),
            Targets.Ids,
            Values.Outputs,
            Targets.Options,
            Head.BiasSpan<TElement>());
        Head.KeepAlive();
        return true;
    }
}

/// <summary>Their vector-Jacobian product.</summary>
internal readonly record struct CoreHeadTokensBackward(
    Head Head, Targets Targets, TokenValues Values, TokenGradients Gradients, HeadGradients HeadGradients) : ITypedCall<bool>
{
    public bool Run<TElement>()
        where TElement : unmanaged
    {
        CrossEntropy.BackwardFromHidden<TElement, long>(
            TensorMemory.Read<TElement>(Head.Hidden, dimensions: 2),
            TensorMemory.Read<TElement>(Head.Weight, dimensions: 2),
            Targets.Ids,
            Values.Outputs,
            Gradients.Spans,
            HeadGradients.Spans<TElement>(),
            Targets.Options,
            Head.BiasSpan<TElement>());
        Head.KeepAlive();
        HeadGradients.KeepAlive();
        return true;
    }
}
