using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>
/// Memory between two pages that cannot be touched: a read or write in front of the span or behind it ends the process. The span
/// ends right at the page behind it, or starts right at the one before.
/// </summary>
internal sealed unsafe class GuardedMemory<T> : IDisposable
    where T : unmanaged
{
    private const int None = 0, ReadWrite = 3, Private = 2, Anonymous = 0x20;
    private readonly nint _memory;
    private readonly nuint _size;
    private readonly T* _start;
    private readonly int _length;

    public GuardedMemory(ReadOnlySpan<T> values, bool atEnd)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        nuint bytes = (nuint)(values.Length * sizeof(T));
        nuint inner = Math.Max(1, (bytes + page - 1) / page) * page;
        _size = inner + (2 * page);
        _memory = Pages.mmap(0, _size, ReadWrite, Private | Anonymous, -1, 0);
        if (_memory == -1 || Pages.mprotect(_memory, page, None) != 0 || Pages.mprotect(_memory + (nint)(page + inner), page, None) != 0)
        {
            throw new InvalidOperationException($"No guarded memory: error {Marshal.GetLastPInvokeError()}.");
        }

        _start = (T*)(_memory + (nint)page + (atEnd ? (nint)(inner - bytes) : 0));
        _length = values.Length;
        values.CopyTo(Span);
    }

    /// <summary>Guard pages are made by mmap and mprotect with Linux's constants.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    public Span<T> Span => new(_start, _length);

    public void Dispose() => _ = Pages.munmap(_memory, _size);
}

internal static partial class Pages
{
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int munmap(nint address, nuint length);
}
