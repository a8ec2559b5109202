using System.Numerics;
using PtxLosses.Batch;

namespace PtxLosses.Calls;

/// <summary>The tokens that count.</summary>
/// <param name="Tokens">How many there are, those of weight 0 included.</param>
/// <param name="Weight">The sum of their weights, or their number where they have none.</param>
internal readonly record struct BatchCount(long Tokens, double Weight)
{
    private const long AnyId = -1;

    /// <summary>
    /// Counts, and checks the target of every token that counts and its weight; those of the others are not read.
    /// </summary>
    /// <param name="targets">The targets.</param>
    /// <param name="ids">
    /// The number of ids; <see cref="long.MaxValue"/> where any number that is not negative is one, <see cref="AnyId"/> where any
    /// number is.
    /// </param>
    /// <param name="shape">The shape of the targets, to name one at fault by its indices.</param>
    /// <param name="tokenWeights">A weight per target, or none.</param>
    public static BatchCount Of<TTarget>(
        in TargetRows<TTarget> targets, long ids, ReadOnlySpan<nint> shape, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        long tokens = 0;
        double weight = 0;
        for (long token = 0; token < targets.Count; token++)
        {
            bool counts = false;
            for (int place = 0; place < targets.IdsPerToken; place++)
            {
                if (targets.Counts(token, place, out long id))
                {
                    counts = true;
                    CheckTarget(in targets, token, place, id, ids, shape);
                }
            }

            if (counts)
            {
                tokens++;
                weight += tokenWeights.IsEmpty ? 1 : CheckedWeight(tokenWeights, (int)targets.PositionOf(token));
            }
        }

        return new(tokens, weight);
    }

    /// <summary>Counts, whatever ids the targets are.</summary>
    public static BatchCount OfAny<TTarget>(
        in TargetRows<TTarget> targets, ReadOnlySpan<nint> shape, ReadOnlySpan<float> tokenWeights)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
        => Of(in targets, AnyId, shape, tokenWeights);

    /// <summary>Checks that there are as many weights as targets, or none.</summary>
    public static void CheckLength(ReadOnlySpan<float> tokenWeights, long targets)
    {
        if (!tokenWeights.IsEmpty && tokenWeights.Length != targets)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"tokenWeights has length {tokenWeights.Length}, but must have {targets}, one per target, or be empty."),
                nameof(tokenWeights));
        }
    }

    /// <summary>Checks that there is something to divide a mean by.</summary>
    /// <param name="normalizer">What divides.</param>
    /// <param name="name">The parameter at fault.</param>
    public void CheckDivisor(Normalizer normalizer, string name)
    {
        if (normalizer.DivisorFor(Weight) == 0)
        {
            string count = Tokens == 1 ? "1 token counts" : FormattableString.Invariant($"{Tokens} tokens count");
            throw new ArgumentOutOfRangeException(
                name,
                normalizer.Denominator,
                $"options.Denominator is 0, but {count}, so it must be above 0: their number over all calls of a step, or "
                    + "the sum of their weights.");
        }
    }

    private static float CheckedWeight(ReadOnlySpan<float> tokenWeights, int position)
    {
        float weight = tokenWeights[position];
        return weight >= 0 && float.IsFinite(weight)
            ? weight
            : throw new ArgumentOutOfRangeException(
                nameof(tokenWeights),
                weight,
                FormattableString.Invariant($"tokenWeights[{position}] is {weight}, but must be finite and at least 0."));
    }

    private static void CheckTarget<TTarget>(
        in TargetRows<TTarget> targets, long token, int place, long id, long ids, ReadOnlySpan<nint> shape)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        if (ids != AnyId && (ulong)id >= (ulong)ids)
        {
            throw TargetOutOfRange(in targets, targets.PositionOf(token), place, ids, shape);
        }

        float probability = targets.ProbabilityOf(token, place);
        if (!(probability >= 0 && float.IsFinite(probability)))
        {
            throw new ArgumentOutOfRangeException(
                nameof(targets),
                probability,
                FormattableString.Invariant($"targets.Probabilities[{(token * targets.IdsPerToken) + place}], of token {token}, ")
                    + FormattableString.Invariant($"is {probability}, but must be finite and at least 0."));
        }
    }

    private static ArgumentOutOfRangeException TargetOutOfRange<TTarget>(
        in TargetRows<TTarget> targets, long position, int place, long ids, ReadOnlySpan<nint> shape)
        where TTarget : unmanaged, IBinaryInteger<TTarget>
    {
        string name = targets.AreSoft
            ? FormattableString.Invariant($"targets.Ids[{(position * targets.IdsPerToken) + place}], of token {position},")
            : $"targets[{Shapes.IndexOf(position, shape)}]";
        object value = targets[position, place] is char letter ? (int)letter : targets[position, place];
        string end = ".";
        if (targets.IgnoreIndex is { } index)
        {
            string hint = int.CreateSaturating(TTarget.CreateSaturating(index)) == index
                ? ""
                : FormattableString.Invariant(
                    $" {typeof(TTarget).Name} cannot be {index}; set IgnoreIndex to a value it can hold.");
            end = FormattableString.Invariant($" and is not the ignored {index}.{hint}");
        }

        return new(nameof(targets), value, FormattableString.Invariant($"{name} is {value}, which is outside [0, {ids}){end}"));
    }
}
