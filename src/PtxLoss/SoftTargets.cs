using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace PtxLosses;

/// <summary>
/// A distribution over ids for each token, in place of one target: the ids that a teacher holds for most likely, as many for each
/// token, and their probabilities q. The loss of a token is <c>Σ_j q_j · (lse − z[id_j])</c>.
/// </summary>
/// <typeparam name="TTarget">Any integer type.</typeparam>
/// <remarks>
/// <para>An id that is <see cref="PtxLossOptions.IgnoreIndex"/> is an unused place, and its probability is not read. A token with
/// no used place is ignored. Probabilities are finite and at least 0. They need not add up to 1, and one of 0 adds nothing. Where
/// an id stands several times, its probabilities add up. Ids in ascending order are the fastest. A call with more than 1,024 ids
/// per token allocates memory for those of one token and thread, and one of few long rows on many threads for those of
/// each.</para>
/// <para>The gradient is that of <c>KL(q ‖ p)</c>, for the entropy of q is a constant. Source: Hinton et al., "Distilling the
/// Knowledge in a Neural Network", 2015; Li and Hoiem, "Learning without Forgetting", 2016.</para>
/// </remarks>
[SuppressMessage("Performance", "CA1815:Override equals", Justification = "A ref struct cannot be compared as an object.")]
public readonly ref struct SoftTargets<TTarget>
    where TTarget : unmanaged, IBinaryInteger<TTarget>
{
    /// <summary>Wraps ids and probabilities, which stay where they are.</summary>
    /// <param name="ids">The ids, <c>[tokens × idsPerToken]</c>, each in <c>[0, vocabulary)</c> or ignored.</param>
    /// <param name="probabilities">q of each id, of the same length.</param>
    /// <param name="idsPerToken">How many ids there are for each token, at least 1.</param>
    /// <exception cref="ArgumentException">
    /// The lengths differ or are no multiple of <paramref name="idsPerToken"/>, or that is below 1.
    /// </exception>
    public SoftTargets(ReadOnlySpan<TTarget> ids, ReadOnlySpan<float> probabilities, int idsPerToken)
    {
        if (idsPerToken < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(idsPerToken), idsPerToken, "idsPerToken must be at least 1.");
        }

        if (ids.Length % idsPerToken != 0)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"ids has length {ids.Length}, which is no multiple of idsPerToken, {idsPerToken}."),
                nameof(ids));
        }

        if (probabilities.Length != ids.Length)
        {
            throw new ArgumentException(
                FormattableString.Invariant(
                    $"probabilities has length {probabilities.Length}, but must have {ids.Length}, one per id."),
                nameof(probabilities));
        }

        Ids = ids;
        Probabilities = probabilities;
        IdsPerToken = idsPerToken;
    }

    /// <summary>The ids, <c>[tokens × idsPerToken]</c>.</summary>
    public ReadOnlySpan<TTarget> Ids { get; }

    /// <summary>q of each id.</summary>
    public ReadOnlySpan<float> Probabilities { get; }

    /// <summary>How many ids there are for each token; 0 in a default value, which has no tokens.</summary>
    public int IdsPerToken { get; }

    /// <summary>How many tokens there are.</summary>
    public int Tokens => IdsPerToken == 0 ? 0 : Ids.Length / IdsPerToken;
}
