using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PtxLosses.Internals;

/// <summary>
/// What every public call checks before it writes anything. Parameter names are those of the public API, which calls the same
/// thing by the same name everywhere.
/// </summary>
internal static class Arguments
{
    private static void CheckOptions(PtxLossOptions options)
    {
        if (options.Reduction is not (LossReduction.Mean or LossReduction.Sum))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Reduction, "Reduction must be Mean or Sum.");
        }

        if (options.Denominator is { } denominator && !(denominator > 0 && double.IsFinite(denominator)))
        {
            throw new ArgumentOutOfRangeException(nameof(options), denominator, "Denominator must be finite and above 0, or null.");
        }

        if (options.MaxDegreeOfParallelism is 0 or < -1)
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), options.MaxDegreeOfParallelism, "MaxDegreeOfParallelism must be -1 (all cores) or at least 1.");
        }
    }

    public static void CheckCoefficient(double ptxCoefficient)
    {
        if (!double.IsFinite(ptxCoefficient))
        {
            throw new ArgumentOutOfRangeException(nameof(ptxCoefficient), ptxCoefficient, "ptxCoefficient must be finite.");
        }
    }

    /// <summary>Checks what every call takes, and returns how many tokens count.</summary>
    public static long Check<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits, ReadOnlySpan<TTarget> targets, int vocabularySize, PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        CheckOptions(options);
        if (vocabularySize < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(vocabularySize), vocabularySize, "vocabularySize must be at least 1.");
        }

        long needed = (long)targets.Length * vocabularySize;
        if (logits.Length != needed)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"logits holds {logits.Length} values, but {targets.Length} targets × vocabularySize {vocabularySize} need {needed}."),
                nameof(logits));
        }

        return CheckTargets(targets, vocabularySize, options.IgnoreIndex);
    }

    /// <summary>Checks that every target is an id of the vocabulary or ignored, and returns how many are not ignored.</summary>
    private static long CheckTargets<TTarget>(ReadOnlySpan<TTarget> targets, int vocabularySize, int? ignoreIndex)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        long counted = 0;
        for (int token = 0; token < targets.Length; token++)
        {
            long target = long.CreateSaturating(targets[token]);
            if (target == ignoreIndex)
            {
                continue;
            }

            if ((ulong)target >= (ulong)vocabularySize)
            {
                string ignored = ignoreIndex is { } index ? $" and is not the ignored {index}" : "";
                throw new ArgumentOutOfRangeException(
                    nameof(targets),
                    FormattableString.Invariant($"targets[{token}] is {targets[token]}, which is outside [0, {vocabularySize}){ignored}."));
            }

            counted++;
        }

        return counted;
    }

    /// <summary>Checks what is written against what is read.</summary>
    public static void CheckGradient<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits, ReadOnlySpan<TTarget> targets, ReadOnlySpan<TLogit> logitsGradient)
        where TLogit : unmanaged
        where TTarget : unmanaged
    {
        CheckLength(logitsGradient.Length, logits.Length, nameof(logitsGradient), "values, one per logit");
        bool same = Unsafe.AreSame(in MemoryMarshal.GetReference(logits), in MemoryMarshal.GetReference(logitsGradient));
        if (!same && logits.Overlaps(logitsGradient))
        {
            throw new ArgumentException(
                "logitsGradient overlaps a part of logits; it must be exactly the same memory or disjoint from it.",
                nameof(logitsGradient));
        }

        CheckDisjoint(logitsGradient, targets, nameof(logitsGradient), nameof(targets));
    }

    public static void CheckDisjoint<TOutput, TInput>(
        ReadOnlySpan<TOutput> output, ReadOnlySpan<TInput> input, string outputName, string inputName)
        where TOutput : unmanaged
        where TInput : unmanaged
    {
        nint distance = Unsafe.ByteOffset(
            in Unsafe.As<TOutput, byte>(ref MemoryMarshal.GetReference(output)),
            in Unsafe.As<TInput, byte>(ref MemoryMarshal.GetReference(input)));
        bool overlaps = distance >= 0
            ? distance < (nint)output.Length * Unsafe.SizeOf<TOutput>() && !input.IsEmpty
            : -distance < (nint)input.Length * Unsafe.SizeOf<TInput>() && !output.IsEmpty;
        if (overlaps)
        {
            throw new ArgumentException($"{outputName} overlaps {inputName}, which is read while it is written.", outputName);
        }
    }

    public static void CheckLength(int length, int needed, string name, string unit)
    {
        if (length != needed)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} has length {length}, but needs {needed} {unit}."), name);
        }
    }
}
