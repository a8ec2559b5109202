using System.Numerics;
using PtxLosses.Batch;
using PtxLosses.Common;

namespace PtxLosses.Calls;

/// <summary>
/// What every public call checks before it writes anything. Parameter names are those of the public API, which calls the same
/// thing by the same name everywhere.
/// </summary>
internal static class Arguments
{
    public static void CheckCoefficient(double ptxCoefficient)
    {
        if (!double.IsFinite(ptxCoefficient))
        {
            throw new ArgumentOutOfRangeException(nameof(ptxCoefficient), ptxCoefficient, "ptxCoefficient must be finite.");
        }
    }

    /// <summary>Checks what every call over spans takes, but for the targets themselves.</summary>
    public static void Check<TLogit, TTarget>(
        ReadOnlySpan<TLogit> logits, ReadOnlySpan<TTarget> targets, int vocabularySize, PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        CheckUnshifted(options);
        CheckVocabularySize(vocabularySize);
        if (targets.IsEmpty && !logits.IsEmpty)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"targets is empty, but logits holds {logits.Length} values, vocabularySize {vocabularySize} per target."),
                nameof(targets));
        }

        long needed = (long)targets.Length * vocabularySize;
        if (logits.Length != needed)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"logits holds {logits.Length} values, but {targets.Length} targets × vocabularySize {vocabularySize} need {needed}."),
                nameof(logits));
        }

        OptionRanges.Check(options, targets.Length);
    }

    public static void CheckVocabularySize(int vocabularySize)
    {
        if (vocabularySize < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(vocabularySize), vocabularySize, "vocabularySize must be at least 1.");
        }
    }

    /// <summary>Checks that targets, which are a span, are not to be shifted.</summary>
    public static void CheckUnshifted(PtxLossOptions options)
    {
        if (options.ShiftTargets)
        {
            throw new ArgumentException(
                "options.ShiftTargets is true, but must be false for spans, which do not say where a sequence ends; PtxLoss takes tensors.",
                nameof(options));
        }
    }

    /// <summary>Checks that rows of logits are of the whole vocabulary, as their loss is.</summary>
    public static void CheckWhole(PtxLossOptions options)
    {
        if (options.IsVocabularyShard)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"options.VocabularyStart is set, to {options.VocabularyStart}, but must not be here: the loss needs whole rows of logits; CrossEntropy takes a shard of them."),
                nameof(options));
        }
    }

    /// <summary>Checks what a shard of the vocabulary cannot have, if the logits are one, and returns the number of ids that a target may be.</summary>
    public static long CheckShard(PtxLossOptions options, int vocabularySize)
    {
        if (!options.IsVocabularyShard)
        {
            return vocabularySize;
        }

        CheckUnsmoothed(options, "where options.VocabularyStart is set");
        return long.MaxValue; // other shards have the other ids
    }

    /// <summary>Checks that targets are not smoothed.</summary>
    /// <param name="options">The options, each in its range.</param>
    /// <param name="where">The case in which they cannot be, for the message.</param>
    public static void CheckUnsmoothed(PtxLossOptions options, string where)
    {
        if (options.LabelSmoothing != 0)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"options.LabelSmoothing is {options.LabelSmoothing}, but must be 0 {where}: it takes a mean over the whole vocabulary."),
                nameof(options));
        }
    }

    /// <summary>
    /// Checks that every target that is used is an id or ignored, and its weight in its range, and returns how many tokens count.
    /// </summary>
    /// <param name="targets">The targets.</param>
    /// <param name="ids">The number of ids.</param>
    /// <param name="shape">The shape of the targets, to name one at fault by its indices.</param>
    /// <param name="options">The options, with as many weights as there are targets, or none.</param>
    public static long CheckTargets<TTarget>(
        in TargetRows<TTarget> targets, long ids, ReadOnlySpan<nint> shape, PtxLossOptions options)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        long counted = 0;
        for (long token = 0; token < targets.Count; token++)
        {
            if (!targets.Counts(token, out long target))
            {
                continue;
            }

            if ((ulong)target >= (ulong)ids)
            {
                long position = targets.PositionOf(token);
                string indices = Shapes.IndexOf(position, shape);
                object value = targets[position] is char letter ? (int)letter : targets[position];
                throw new ArgumentOutOfRangeException(
                    nameof(targets),
                    value,
                    FormattableString.Invariant($"targets[{indices}] is {value}, which is outside [0, {ids}){NotIgnored<TTarget>(targets.IgnoreIndex)}"));
            }

            counted++;
        }

        TokenWeights.Check(options, in targets);
        return counted;
    }

    /// <summary>Checks that there is something to divide a mean by.</summary>
    /// <param name="divisor">What divides.</param>
    /// <param name="weight">The sum of the weights of the tokens that count.</param>
    /// <param name="tokenCount">How many count.</param>
    /// <param name="name">The parameter at fault.</param>
    public static void CheckDenominator(Normalizer divisor, double weight, long tokenCount, string name)
    {
        if (divisor.Of(weight) == 0)
        {
            string count = tokenCount == 1 ? "1 token counts" : FormattableString.Invariant($"{tokenCount} tokens count");
            throw new ArgumentOutOfRangeException(
                name,
                divisor.Denominator,
                $"options.Denominator is 0, but {count}, so it must be above 0: their number over all calls of a step, or the sum of their weights.");
        }
    }

    /// <summary>Checks what is written, of the shape of the logits, against what is read.</summary>
    public static void CheckGradient<TLogit, TTarget>(
        in LogitRows<TLogit> logits, in TargetRows<TTarget> targets, in LogitRows<TLogit> logitsGradient, PtxLossOptions options)
        where TLogit : unmanaged
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        if (logitsGradient.OverlapThemselves)
        {
            throw new ArgumentException(
                "logitsGradient has rows that overlap each other; each needs memory of its own.", nameof(logitsGradient));
        }

        bool isInPlace = logitsGradient.AreSame(in logits);
        if (isInPlace && options.AccumulateGradient && targets.Count > 0)
        {
            throw new ArgumentException(
                "options.AccumulateGradient is true, but must be false in place: logitsGradient holds the logits.", nameof(options));
        }

        if (!isInPlace && logitsGradient.Overlap(in logits))
        {
            throw new ArgumentException(
                "logitsGradient overlaps a part of logits; it must be exactly the same memory or disjoint from it.",
                nameof(logitsGradient));
        }

        CheckDisjoint(logitsGradient.Memory, targets.Memory, nameof(logitsGradient), nameof(targets));
    }

    /// <summary>Checks each of the outputs against the others and against the inputs.</summary>
    public static void CheckDisjoint(
        ReadOnlySpan<(MemoryRange Memory, string Name)> outputs, ReadOnlySpan<(MemoryRange Memory, string Name)> inputs)
    {
        for (int i = 0; i < outputs.Length; i++)
        {
            CheckDisjoint(outputs[i], outputs[(i + 1)..]);
            CheckDisjoint(outputs[i], inputs);
        }

        static void CheckDisjoint((MemoryRange Memory, string Name) output, ReadOnlySpan<(MemoryRange Memory, string Name)> others)
        {
            foreach ((MemoryRange memory, string name) in others)
            {
                Arguments.CheckDisjoint(output.Memory, memory, output.Name, name);
            }
        }
    }

    public static void CheckDisjoint(MemoryRange output, MemoryRange other, string outputName, string otherName)
        => CheckDisjoint(output.Overlaps(other), outputName, otherName);

    public static void CheckDisjoint(bool overlap, string outputName, string otherName)
    {
        if (overlap)
        {
            throw new ArgumentException($"{outputName} overlaps {otherName}; it needs memory of its own.", outputName);
        }
    }

    public static void CheckLength(int length, int needed, string name, string unit)
    {
        if (length != needed)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} has length {length}, but needs {needed} {unit}."), name);
        }
    }

    /// <summary>The end of a sentence about a target: that it is not the ignored one, which its type may not hold at all.</summary>
    private static string NotIgnored<TTarget>(int? ignoreIndex)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        if (ignoreIndex is not { } index)
        {
            return ".";
        }

        string hint = int.CreateSaturating(TTarget.CreateSaturating(index)) == index
            ? ""
            : FormattableString.Invariant($" {typeof(TTarget).Name} cannot be {index}; set IgnoreIndex to a value it can hold.");
        return FormattableString.Invariant($" and is not the ignored {index}.{hint}");
    }
}
