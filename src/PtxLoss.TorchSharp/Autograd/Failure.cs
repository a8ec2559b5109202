using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>How a backward pass fails: it must not throw, but torch refuses gradients of a wrong shape.</summary>
internal static class Failure
{
    /// <summary>What a function of so many tensors returns, its first argument being none, and its last the release.</summary>
    public static List<Tensor?> Results(int count)
        => [null, .. Enumerable.Range(0, count).Select(_ => Returned.Keep(torch.empty([0], torch.float32, torch.CPU))), null];
}
