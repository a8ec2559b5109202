using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>Lengths, and what is written: it must share no memory with anything else.</summary>
internal static class MemoryChecks
{
    public static void CheckLength(long length, long needed, string name, string unit)
    {
        if (length != needed)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"{name} has length {length}, but needs {needed} {unit}."), name);
        }
    }

    /// <summary>Checks each of the outputs against the others and against the inputs.</summary>
    public static void CheckDisjoint(ReadOnlySpan<NamedMemory> outputs, ReadOnlySpan<NamedMemory> inputs)
    {
        for (int i = 0; i < outputs.Length; i++)
        {
            Check(outputs[i], outputs[(i + 1)..]);
            Check(outputs[i], inputs);
        }

        static void Check(NamedMemory output, ReadOnlySpan<NamedMemory> others)
        {
            foreach ((MemoryRange memory, string name) in others)
            {
                Refuse(output.Memory.Overlaps(memory), output.Name, name);
            }
        }
    }

    public static void Refuse(bool overlap, string outputName, string otherName)
    {
        if (overlap)
        {
            throw new ArgumentException($"{outputName} overlaps {otherName}; it needs memory of its own.", outputName);
        }
    }
}
