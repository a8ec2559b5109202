using System.Runtime.InteropServices;

namespace PtxLosses.Torch.Tests;

public class TorchMemoryTests : TorchTest
{
    [TorchFact]
    public void Freed_memory_is_kept_where_the_allocator_is_glibcs()
    {
        bool isGlibc = OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out nint library)
            && NativeLibrary.TryGetExport(library, "gnu_get_libc_version", out _);

        TorchMemory.KeepFreed().Should().Be(isGlibc);
        TorchMemory.KeepFreed().Should().Be(isGlibc, "a second time it is as the first");
    }

    [TorchFact]
    public void Fresh_memory_may_be_large_and_of_any_shape()
    {
        foreach (long[] shape in new long[][] { [], [0], [3, 0, 5], [3], [1 << 12, 1 << 10] })
        {
            using Tensor tensor = FreshMemory.Empty(shape, torch.float32, torch.CPU);
            tensor.Lengths().Should().Equal(shape);
            tensor.fill_(2);
            tensor.sum().item<float>().Should().Be(2f * tensor.numel());
        }
    }
}
