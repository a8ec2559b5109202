using PtxLosses.Torch;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Benchmarks;

/// <summary>Calls of torch, and of this library on its tensors, in a process that does nothing else.</summary>
internal abstract class TorchCalls
{
    private readonly OutputMemory _memory;

    /// <summary>Sets up torch for the process.</summary>
    protected TorchCalls(PeerRequest request)
    {
        PeerMissingException.Load("libtorch", () =>
        {
            OlderLinux.Prepare();
            torch.InitializeDeviceType(DeviceType.CPU);
        });
        if (request.Peer.KeepsFreed && !TorchMemory.KeepFreed())
        {
            throw new PeerMissingException("libtorch with memory reused, since the allocator here cannot be told to keep it");
        }

        torch.set_num_threads(request.Threads);
        _memory = request.Peer.KeepsFreed ? OutputMemory.Reused : OutputMemory.Fresh;
        Options = new() { MaxDegreeOfParallelism = request.Threads };
        Targets = torch.tensor(TargetFile.Load(request.Folder));
    }

    protected static string Libtorch { get; } = $"{Contender.Libtorch} {Version.Parse(torch.__version__).ToString(3)}";

    protected PtxLossOptions Options { get; }

    protected Tensor Targets { get; }

    protected static Tensor Load(PeerRequest request, string file, int rows, int columns)
    {
        Tensor matrix = torch.empty(rows, columns);
        FloatFile.Load(Path.Combine(request.Folder, file), TensorMemory.Flat<float>(matrix));
        return matrix;
    }

    /// <summary>Σ gradient · value, where the gradient is that of γ times what was differentiated.</summary>
    protected static double Dot(Tensor gradient, Tensor values)
        => LossProblem.Coefficient * Sums.Dot(TensorMemory.Flat<float>(gradient), TensorMemory.Flat<float>(values));

    /// <summary>A loss without gradients.</summary>
    protected PeerCall Forward(string by, string name, Func<Tensor> loss) => new(Work.Forward, _memory, by, name, () =>
    {
        using var step = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        return loss().item<float>();
    });

    /// <summary>A loss and its gradients by leaves, which live until the next step, as those of a model's parameters.</summary>
    protected PeerCall Gradient(string by, string name, Func<Tensor> loss, params Tensor[] leaves) => Gradient(by, name, () =>
    {
        Array.ForEach(leaves, leaf => leaf.grad = null);
        Tensor value = loss();
        value.backward();
        return value;
    }) with
    {
        GradientAnswers = () => leaves.Select(GradientDot),
        GradientBytes = sizeof(float) * leaves.Sum(leaf => leaf.numel()),
    };

    /// <summary>A loss, and its gradient where the step says.</summary>
    protected PeerCall Gradient(string by, string name, Func<Tensor> step) => new(Work.Gradient, _memory, by, name, () =>
    {
        using var scope = torch.NewDisposeScope();
        return step().item<float>();
    });

    private static double GradientDot(Tensor leaf)
    {
        using Tensor gradient = leaf.grad!;
        return Dot(gradient, leaf);
    }
}
