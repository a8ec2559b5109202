using System.Runtime.InteropServices;

namespace PtxLosses.Tests;

/// <summary>Where what a call reads and writes lies.</summary>
internal abstract class Memories : IDisposable
{
    /// <summary>Memory with these values that is only read.</summary>
    public abstract Memory<T> ToRead<T>(T[] values)
        where T : unmanaged;

    /// <summary>Memory with these values that is written, and perhaps read as well.</summary>
    public abstract Memory<T> ToWrite<T>(T[] values)
        where T : unmanaged;

    /// <summary>Says that nobody needs to look at some of it.</summary>
    public virtual void Hide<T>(ReadOnlyMemory<T> memory)
        where T : unmanaged
    {
    }

    /// <summary>Lets the test look at all of it again.</summary>
    public virtual void Reveal()
    {
    }

    public virtual void Dispose()
    {
    }
}

/// <summary>Arrays, which know what was in them.</summary>
internal sealed class ArrayMemories : Memories
{
    private readonly List<Func<bool>> _inputs = [], _outputs = [];

    public override Memory<T> ToRead<T>(T[] values) => Remember(values, _inputs);

    public override Memory<T> ToWrite<T>(T[] values) => Remember(values, _outputs);

    public bool InputsAreUntouched() => _inputs.TrueForAll(isUntouched => isUntouched());

    public bool AllIsUntouched() => InputsAreUntouched() && _outputs.TrueForAll(isUntouched => isUntouched());

    private static T[] Remember<T>(T[] values, List<Func<bool>> memories)
        where T : unmanaged
    {
        T[] before = [.. values];
        memories.Add(() => MemoryMarshal.AsBytes<T>(values).SequenceEqual(MemoryMarshal.AsBytes<T>(before)));
        return values;
    }
}
