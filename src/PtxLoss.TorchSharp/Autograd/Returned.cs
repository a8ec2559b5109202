using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// Gradients that a backward pass returned to torch. Torch copies the handle after the callback has returned, so the callback
/// cannot dispose it, and nobody else does: it would wait for the garbage collector, which knows nothing of its size.
/// </summary>
/// <remarks>
/// What a thread returned is disposed when it next comes here: torch has long copied it then. So at most the gradients of one
/// step wait, and no finalizer can run before torch has copied.
/// </remarks>
internal static class Returned
{
    [ThreadStatic]
    private static List<Tensor>? _waiting;

    /// <summary>Disposes this thread's handles of earlier passes.</summary>
    public static void DisposeEarlier()
    {
        if (_waiting is { Count: > 0 } waiting)
        {
            foreach (Tensor tensor in waiting)
            {
                tensor.Dispose();
            }

            waiting.Clear();
        }
    }

    /// <summary>Keeps a handle until this thread's next pass.</summary>
    public static Tensor Keep(Tensor gradient)
    {
        (_waiting ??= []).Add(gradient);
        return gradient;
    }
}
