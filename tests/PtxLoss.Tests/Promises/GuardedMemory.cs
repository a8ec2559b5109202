using System.Buffers;
using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>Pages of memory, whatever is on them.</summary>
internal interface IPages
{
    /// <summary>From now on a read or a write ends the process.</summary>
    void MakeInaccessible();

    /// <summary>Back to what they were at first.</summary>
    void MakeWritable();

    void Free();
}

/// <summary>
/// Memory between two pages that cannot be touched: a read or write in front of the span or behind it ends the process. The span
/// ends right at the page behind it, or starts right at the one before.
/// </summary>
internal sealed unsafe class GuardedMemory<T> : MemoryManager<T>, IPages
    where T : unmanaged
{
    private const int None = 0, Read = 1, ReadWrite = 3, Private = 2, Anonymous = 0x20;
    private static readonly nint _page = Environment.SystemPageSize;
    private readonly nint _memory;
    private readonly nint _size;
    private readonly T* _start;
    private readonly int _length;

    public GuardedMemory(ReadOnlySpan<T> values, bool atEnd)
    {
        nint bytes = values.Length * sizeof(T);
        nint inner = Math.Max(1, (bytes + _page - 1) / _page) * _page;
        _size = inner + (2 * _page);
        _memory = Pages.mmap(0, (nuint)_size, ReadWrite, Private | Anonymous, -1, 0);
        if (_memory == -1)
        {
            throw new InvalidOperationException($"No guarded memory: error {Marshal.GetLastPInvokeError()}.");
        }

        _start = (T*)(_memory + _page + (atEnd ? inner - bytes : 0));
        _length = values.Length;
        values.CopyTo(Span);
        Protect(_memory, _page, None);
        Protect(_memory + _page + inner, _page, None);
    }

    /// <summary>Guard pages are made by mmap and mprotect with Linux's constants.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    public Span<T> Span => new(_start, _length);

    public override Span<T> GetSpan() => Span;

    /// <summary>From now on a write ends the process as well.</summary>
    public void MakeReadOnly() => Protect(Read);

    public void MakeInaccessible() => Protect(None);

    public void MakeWritable() => Protect(ReadWrite);

    /// <summary>From now on so does a read of some of the elements: of those on pages that have no others.</summary>
    public void Hide(int start, int length)
    {
        nint first = ((nint)(_start + start) + _page - 1) / _page * _page, end = (nint)(_start + start + length) / _page * _page;
        if (first < end)
        {
            Protect(first, end - first, None);
        }
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
    }

    public void Free() => Dispose();

    public void Dispose() => Dispose(disposing: true);

    private void Protect(int protection) => Protect(_memory + _page, _size - (2 * _page), protection);

    protected override void Dispose(bool disposing) => _ = Pages.munmap(_memory, (nuint)_size);

    private static void Protect(nint address, nint bytes, int protection)
    {
        if (Pages.mprotect(address, (nuint)bytes, protection) != 0)
        {
            throw new InvalidOperationException($"No protected memory: error {Marshal.GetLastPInvokeError()}.");
        }
    }
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
