using PtxLosses.Torch;
using TorchSharp;
using static TorchSharp.torch.nn;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Benchmarks;

/// <summary>The loss of logits in tensors, and its gradient.</summary>
internal sealed class TorchLossCalls : TorchCalls
{
    private readonly Tensor _logits, _overwritten, _column, _noRows, _noIndex;
    private readonly double _scale;

    private Tensor? _composed;

    private TorchLossCalls(PeerRequest request)
        : base(request)
    {
        var (tokens, vocabulary) = request.Shape;
        _logits = Load(request, LossProblem.LogitsFile, tokens, vocabulary);
        _overwritten = _logits.clone();
        _logits.requires_grad_();
        _column = Targets.unsqueeze(1);
        _noRows = torch.zeros(0, vocabulary).requires_grad_();
        _noIndex = torch.zeros(0, torch.int64);
        _scale = 1.0 / tokens;
    }

    public static IEnumerable<PeerCall> OfPeer(PeerRequest request)
    {
        var calls = new TorchLossCalls(request);
        return calls.OfTorch().Concat(calls.OfPtx());
    }

    private IEnumerable<PeerCall> OfTorch() =>
    [
        Forward(Libtorch, Names.CrossEntropy, () => functional.cross_entropy(_logits, Targets)),
        Gradient(Libtorch, Names.CrossEntropyBackward, () => functional.cross_entropy(_logits, Targets), _logits),
        Gradient(Libtorch, "softmax, mul_, scatter_add_", Compose) with { GradientAnswers = () => [Dot(_composed!, _logits)] },
    ];

    private IEnumerable<PeerCall> OfPtx() =>
    [
        Forward(Contender.TorchSharp, Names.CrossEntropy, () => ptx.cross_entropy(_logits, Targets, Options)),
        Gradient(Contender.TorchSharp, Names.CrossEntropyBackward, () => ptx.cross_entropy(_logits, Targets, Options), _logits),
        Gradient(
            Contender.TorchSharp,
            Names.CrossEntropyInPlace,
            () => ptx.cross_entropy(LayerOutput(), Targets, Options, inplace: true),
            _noRows) with { GradientAnswers = () => [Dot(_overwritten, _logits)], },
    ];

    /// <summary>The gradient by hand, without a graph: one buffer, changed in place.</summary>
    private Tensor Compose()
    {
        using var noGrad = torch.no_grad();
        _composed?.Dispose();
        Tensor gradient = torch.softmax(_logits, 1), chosen = gradient.gather(1, _column);
        gradient.mul_(_scale).scatter_add_(1, _column, torch.full_like(chosen, -_scale));
        _composed = gradient.DetachFromDisposeScope();
        return chosen.log().mean().neg();
    }

    /// <summary>
    /// Logits that no leaf holds, as the output of a layer is: of one that adds no rows to what is there. From the second step on
    /// that is the gradient of the step before: small numbers, none of them subnormal, which take as long as any others.
    /// </summary>
    private Tensor LayerOutput() => _overwritten.detach().index_add_(0, _noIndex, _noRows, 1);
}
