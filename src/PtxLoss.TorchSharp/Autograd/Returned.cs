using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// Gradients that a backward pass returned to torch. Torch copies the handle after the callback has returned, so the callback
/// cannot dispose it, and nobody else does: it would wait for the garbage collector, which knows nothing of its size.
/// </summary>
/// <remarks>
/// What a thread returned is disposed when the thread next comes here: torch has long copied it then, and no finalizer can run before
/// it has. That is in the same backward pass, in <see cref="ReleaseFunction"/>, before torch goes on with the layers that the logits
/// come from: no gradient is kept longer than torch keeps it. Where torch is asked for the gradient of the logits alone, as by
/// <c>autograd.grad</c>, it visits no other node. Then the handle is disposed with the dispose scope of the backward pass, or else in
/// the thread's next call.
/// </remarks>
internal static class Returned
{
    [ThreadStatic]
    private static List<Tensor>? _waiting;

    /// <summary>Disposes this thread's handles of what torch has copied.</summary>
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

    /// <summary>Keeps a handle until this thread next disposes such.</summary>
    public static Tensor Keep(Tensor gradient)
    {
        (_waiting ??= []).Add(gradient);
        return gradient;
    }
}
