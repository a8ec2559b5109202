using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>
/// What is written must share no memory with anything else, but that a gradient may take the place of its logits.
/// </summary>
internal static class MemoryChecks
{
    public static void CheckLength(long length, long needed, string name, string unit)
    {
        if (length != needed)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} has length {length}, but needs {needed} {unit}."), name);
        }
    }

    /// <summary>Checks the gradient of logits against what is read.</summary>
    public static void CheckGradient<TLogit, TTarget>(
        in BatchMemory<TLogit, TTarget> memory, bool accumulates, ReadOnlySpan<(MemoryRange Memory, string Name)> inputs)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        const string name = "logitsGradient";
        if (memory.Gradient.OverlapThemselves)
        {
            throw new ArgumentException($"{name} has rows that overlap each other; each needs memory of its own.", name);
        }

        bool isInPlace = memory.Gradient.AreSame(in memory.Logits);
        if (isInPlace && accumulates && memory.Targets.Count > 0)
        {
            throw new ArgumentException($"options.AccumulateGradient is true, but must be false in place: {name} holds the logits.", "options");
        }

        if (!isInPlace && memory.Gradient.Overlap(in memory.Logits))
        {
            throw new ArgumentException($"{name} overlaps a part of logits; it must be exactly the same memory or disjoint from it.", name);
        }

        Refuse(memory.Gradient.Memory.Overlaps(memory.Targets.Memory), name, "targets");
        CheckDisjoint([(memory.Gradient.Memory, name)], inputs);
    }

    /// <summary>Checks each of the outputs against the others and against the inputs.</summary>
    public static void CheckDisjoint(
        ReadOnlySpan<(MemoryRange Memory, string Name)> outputs, ReadOnlySpan<(MemoryRange Memory, string Name)> inputs)
    {
        for (int i = 0; i < outputs.Length; i++)
        {
            Check(outputs[i], outputs[(i + 1)..]);
            Check(outputs[i], inputs);
        }

        static void Check((MemoryRange Memory, string Name) output, ReadOnlySpan<(MemoryRange Memory, string Name)> others)
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
