using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>
/// Memory between pages that cannot be touched. What is only read lies on pages that cannot be written, and what is not even
/// read on pages that cannot be read, as far as it has them to itself.
/// </summary>
internal sealed class GuardedMemories(bool atEnd) : Memories
{
    private readonly List<IDisposable> _memories = [];
    private readonly List<Action> _reveal = [];

    public override Memory<T> ToRead<T>(T[] values)
    {
        GuardedMemory<T> memory = Guard(values);
        memory.MakeReadOnly();
        _reveal.Add(memory.MakeReadOnly);
        return memory.Memory;
    }

    public override Memory<T> ToWrite<T>(T[] values)
    {
        GuardedMemory<T> memory = Guard(values);
        _reveal.Add(memory.MakeReadOnly);
        return memory.Memory;
    }

    public override void Hide<T>(ReadOnlyMemory<T> memory)
    {
        if (MemoryMarshal.TryGetMemoryManager(memory, out GuardedMemory<T>? guarded, out int start, out int length))
        {
            guarded.Hide(start, length);
        }
    }

    public override void Reveal() => _reveal.ForEach(reveal => reveal());

    public override void Dispose()
    {
        base.Dispose();
        _memories.ForEach(memory => memory.Dispose());
    }

    private GuardedMemory<T> Guard<T>(T[] values)
        where T : unmanaged
    {
        var memory = new GuardedMemory<T>(values, atEnd);
        _memories.Add(memory);
        return memory;
    }
}
