using System.Runtime.InteropServices;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// Memory for gradients. The system gives fresh memory a page at a time, when it is first touched, which for a large gradient
/// takes longer than to compute it: so where it has huge pages, they are asked for.
/// </summary>
internal static unsafe partial class FreshMemory
{
    /// <summary>Below this, huge pages gain nothing.</summary>
    private const long LeastBytes = 4 << 20;

    private const nuint PageBytes = 4096;

    /// <summary>MADV_HUGEPAGE.</summary>
    private const int HugePages = 14;

    /// <summary>An uninitialized tensor.</summary>
    public static Tensor Empty(ReadOnlySpan<long> shape, torch.ScalarType type, torch.Device device)
    {
        Tensor tensor = torch.empty(shape, type, device);
        if (OperatingSystem.IsLinux() && device.type == DeviceType.CPU)
        {
            Advise(tensor);
        }

        return tensor;
    }

    private static void Advise(Tensor tensor)
    {
        long bytes = tensor.numel() * tensor.element_size();
        if (bytes < LeastBytes)
        {
            return;
        }

        nuint start = (nuint)TensorMemory.Start(tensor), first = (start + PageBytes - 1) / PageBytes * PageBytes;
        try
        {
            // A wish: if it fails, nothing is lost.
            _ = Advise((void*)first, (start + (nuint)bytes - first) / PageBytes * PageBytes, HugePages);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Small pages, then.
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint length, int advice);
}
