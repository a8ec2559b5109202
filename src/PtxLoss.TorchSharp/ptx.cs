using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

/// <summary>
/// The losses of <see cref="PtxLoss"/> as functions of TorchSharp's tensors, written as one writes those of
/// <c>torch.nn.functional</c>. What is returned is differentiable.
/// </summary>
/// <remarks>
/// <para>Tensors on the CPU are computed with where they are, by <see cref="PtxLoss"/> and <see cref="CrossEntropy"/>; those on
/// other devices, and hidden states of type float64, by torch's own operators in parts of the tokens, as many as
/// <see cref="PtxLossOptions.MaxScratchBytes"/> has room for. Logits are float32, float64, float16 or bfloat16; ids int64 or
/// int32. All tensors of a call are on one device; only <c>rl_loss</c> may be on the CPU in any case.</para>
/// <para>Rows may be any distance apart. Where the last dimension of logits, hidden states or a weight is not of stride 1, a copy
/// is made.</para>
/// <para>The gradients of the losses are computed in the forward pass, where gradients are enabled and for the tensors that
/// require them, and multiplied by the incoming gradient in the backward pass: which can be done once, and gives first
/// derivatives only. In float16 they may be too small for its range before a scaler multiplies them: scale by
/// <c>ptx_coefficient</c> instead.</para>
/// <para><see cref="PtxLossOptions.ShiftTargets"/> is honoured by all functions,
/// <see cref="PtxLossOptions.VocabularyStart"/> by none, and <see cref="PtxLossOptions.AccumulateGradient"/> is refused where a
/// gradient is computed, for torch adds up gradients itself.</para>
/// </remarks>
public static partial class ptx
{
    /// <summary>The PPO-ptx loss: <c>rl_loss + ptx_coefficient · cross_entropy(logits, targets)</c>, in nats.</summary>
    /// <param name="rl_loss">
    /// The RL loss of the step, a scalar, which may have a graph of its own: its gradient is 1. On the CPU or with the logits.
    /// </param>
    /// <param name="logits">
    /// The logits of pretraining text, <c>[.., vocabulary]</c>: the vocabulary is the last dimension.
    /// </param>
    /// <param name="targets">
    /// The ids to predict, each in <c>[0, vocabulary)</c> or <see cref="PtxLossOptions.IgnoreIndex"/>: the shape of the logits
    /// without the last dimension.
    /// </param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">
    /// How much each token counts, float32, shaped like the targets, each finite and at least 0; without a gradient.
    /// <see langword="null"/>: each counts once.
    /// </param>
    /// <param name="inplace">
    /// Whether the gradient is written where the logits are, so that no second buffer of their size is needed: what speeds up a
    /// step most. Where no gradient is wanted they stay as they are, else their values are lost: for the output of a layer, as
    /// <c>linear</c>, which does not need them. One that does, as <c>tanh</c>, makes the backward pass fail. Leaves, expanded
    /// tensors and a last dimension of another stride than 1 are refused; do not pass a view of a parameter.
    /// </param>
    /// <returns>
    /// The total, a scalar: float64 for float64 logits, else float32, and promoted by torch's rules where
    /// <paramref name="rl_loss"/> is of another type.
    /// </returns>
    /// <remarks>
    /// Source: Ouyang et al., "Training language models to follow instructions with human feedback", 2022, equation 2.
    /// </remarks>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type, a device, a target, a weight, γ or an option does not fit; the message names it. Nothing has been
    /// written.
    /// </exception>
    public static Tensor loss(
        Tensor rl_loss,
        Tensor logits,
        Tensor targets,
        double ptx_coefficient,
        PtxLossOptions? options = null,
        Tensor? token_weights = null,
        bool inplace = false)
    {
        CheckRlLoss(rl_loss, logits, nameof(logits));
        return Total(rl_loss, LogitCalls.Term(0, logits, targets, ptx_coefficient, options, token_weights, inplace, out _));
    }

    /// <summary>
    /// As <see cref="loss(Tensor, Tensor, Tensor, double, PtxLossOptions, Tensor, bool)"/>, with the parts of the total.
    /// </summary>
    /// <param name="rl_loss">The RL loss of the step, a scalar.</param>
    /// <param name="logits">The logits, <c>[.., vocabulary]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="result">The total and its parts as numbers, for logs.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, or <see langword="null"/>.</param>
    /// <param name="inplace">Whether the gradient is written where the logits are.</param>
    /// <returns>The total.</returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As without the parts.</exception>
    public static Tensor loss(
        Tensor rl_loss,
        Tensor logits,
        Tensor targets,
        double ptx_coefficient,
        out PtxLossResult result,
        PtxLossOptions? options = null,
        Tensor? token_weights = null,
        bool inplace = false)
    {
        CheckRlLoss(rl_loss, logits, nameof(logits));
        return Total(
            rl_loss,
            LogitCalls.Term(
                Scalars.Read(rl_loss), logits, targets, ptx_coefficient, options, token_weights, inplace, out result));
    }

    /// <summary>
    /// The cross-entropy in nats, as <c>torch.nn.functional.cross_entropy</c> of logits whose last dimension is the vocabulary,
    /// by the options with label smoothing, a z-loss, a cap, weightings.
    /// </summary>
    /// <param name="logits">
    /// The logits, <c>[.., vocabulary]</c>: the vocabulary is the last dimension, in torch it is the second.
    /// </param>
    /// <param name="targets">The ids to predict, as for <c>loss</c>.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, as for <c>loss</c>.</param>
    /// <param name="inplace">Whether the gradient is written where the logits are, as for <c>loss</c>.</param>
    /// <returns>
    /// A scalar: the mean over the tokens that count, by their weights, or the sum, as
    /// <see cref="PtxLossOptions.Reduction"/> says, the z-loss included; 0 where none counts. Float64 for float64 logits, else
    /// float32.
    /// </returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As for <c>loss</c>.</exception>
    public static Tensor cross_entropy(
        Tensor logits, Tensor targets, PtxLossOptions? options = null, Tensor? token_weights = null, bool inplace = false)
        => LogitCalls.Term(0, logits, targets, 1, options, token_weights, inplace, out _);

    /// <summary>
    /// As <see cref="cross_entropy(Tensor, Tensor, PtxLossOptions, Tensor, bool)"/>, with the parts of the loss.
    /// </summary>
    /// <param name="logits">The logits, <c>[.., vocabulary]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <param name="result">The loss and its parts as numbers, for logs; its RL loss is 0, its γ 1.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, or <see langword="null"/>.</param>
    /// <param name="inplace">Whether the gradient is written where the logits are.</param>
    /// <returns>The loss.</returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As for <c>loss</c>.</exception>
    public static Tensor cross_entropy(
        Tensor logits,
        Tensor targets,
        out PtxLossResult result,
        PtxLossOptions? options = null,
        Tensor? token_weights = null,
        bool inplace = false)
        => LogitCalls.Term(0, logits, targets, 1, options, token_weights, inplace, out result);

    /// <summary>
    /// The log-probability of each token's id, and the entropy of its distribution, in nats: the RL half of a step, for PPO,
    /// GRPO or DPO.
    /// </summary>
    /// <param name="logits">The logits, <c>[.., vocabulary]</c>.</param>
    /// <param name="ids">
    /// The ids that were sampled, each in <c>[0, vocabulary)</c> or ignored: the shape of the logits without the last dimension.
    /// </param>
    /// <param name="options">
    /// <see langword="null"/> for <see cref="PtxLossOptions.Default"/>. Refused are
    /// <see cref="PtxLossOptions.LabelSmoothing"/> and what makes one number of many losses.
    /// </param>
    /// <returns>
    /// Both shaped like the ids, at most 0 and at least 0; float64 for float64 logits, else float32. Ignored tokens have 0. With
    /// <see cref="PtxLossOptions.ShiftTargets"/> they stand where the logits do, and the last of each sequence is 0.
    /// </returns>
    /// <remarks>
    /// The gradient is computed in the backward pass, from the logits as they are then: do not change them in between, or torch
    /// reports an invalid gradient. Advantages may have any sign.
    /// </remarks>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type, a device, an id or an option does not fit; the message names it.
    /// </exception>
    public static (Tensor log_probs, Tensor entropy) token_log_probs(Tensor logits, Tensor ids, PtxLossOptions? options = null)
        => LogitCalls.Tokens(logits, ids, options);

    private static void CheckRlLoss(Tensor rl_loss, Tensor other, string otherName)
    {
        ArgumentNullException.ThrowIfNull(other, otherName);
        Arguments.CheckRlLoss(rl_loss, other, otherName);
    }

    /// <summary>
    /// The sum, by torch's rules for types and gradients; a scalar whatever the shape of the one number of the RL loss.
    /// </summary>
    private static Tensor Total(Tensor rl_loss, Tensor term)
    {
        using (term)
        {
            if (rl_loss.dim() == 0)
            {
                return rl_loss.add(term);
            }

            using Tensor scalar = rl_loss.reshape([]);
            return scalar.add(term);
        }
    }
}
