using PtxLosses.Torch;
using static TorchSharp.torch.nn;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Benchmarks;

/// <summary>The loss from hidden states in tensors, and its gradients.</summary>
internal sealed class TorchHeadCalls : TorchCalls
{
    private readonly Tensor _hidden, _weight;

    private TorchHeadCalls(PeerRequest request)
        : base(request)
    {
        var (tokens, width, vocabulary) = request.HeadShape;
        _hidden = Load(request, HeadProblem.HiddenFile, tokens, width).requires_grad_();
        _weight = Load(request, HeadProblem.WeightFile, vocabulary, width).requires_grad_();
    }

    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        var calls = new TorchHeadCalls(request);
        return
        [
            calls.Forward(Libtorch, Names.Linear, calls.Torch),
            calls.Gradient(Libtorch, Names.LinearBackward, calls.Torch, calls._hidden, calls._weight),
            calls.Forward(Contender.TorchSharp, Names.LinearCrossEntropy, calls.Ptx),
            calls.Gradient(Contender.TorchSharp, Names.LinearCrossEntropyBackward, calls.Ptx, calls._hidden, calls._weight),
        ];
    }

    private Tensor Torch() => functional.cross_entropy(functional.linear(_hidden, _weight), Targets);

    private Tensor Ptx() => ptx.linear_cross_entropy(_hidden, _weight, Targets, options: Options);
}
