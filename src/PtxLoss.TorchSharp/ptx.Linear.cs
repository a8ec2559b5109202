using Tensor = TorchSharp.torch.Tensor;

namespace PtxLosses.Torch;

// From hidden states: the output layer and the loss in one, without the memory of the logits.
public static partial class ptx
{
    /// <summary>
    /// The PPO-ptx loss from hidden states: <c>rl_loss + ptx_coefficient · cross_entropy(linear(hidden, weight, bias),
    /// targets)</c>, without the logits in memory.
    /// </summary>
    /// <param name="rl_loss">The RL loss of the step, a scalar, as for <c>loss</c>.</param>
    /// <param name="hidden">The hidden states that the output layer gets, <c>[.., d]</c>.</param>
    /// <param name="weight">The weight of that layer, <c>[vocabulary, d]</c>, of the type of the hidden states.</param>
    /// <param name="targets">
    /// The ids to predict, each in <c>[0, vocabulary)</c> or ignored: the shape of the hidden states without the last dimension.
    /// </param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="bias">
    /// Added to the logits of each token, <c>[vocabulary]</c>, of the same type; <see langword="null"/> for none.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, as for <c>loss</c>.</param>
    /// <returns>The total, a scalar, of types as for <c>loss</c>.</returns>
    /// <remarks>
    /// Frozen tensors, those that do not require a gradient, cost nothing. The gradient of a weight of 16 bits is summed in
    /// float32 and rounded once. Source of the idea: Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", 2024.
    /// </remarks>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type, a device, a target, a weight, γ or an option does not fit; the message names it.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs.</exception>
    public static Tensor linear_loss(
        Tensor rl_loss,
        Tensor hidden,
        Tensor weight,
        Tensor targets,
        double ptx_coefficient,
        Tensor? bias = null,
        PtxLossOptions? options = null,
        Tensor? token_weights = null)
    {
        CheckRlLoss(rl_loss, hidden, nameof(hidden));
        return Total(rl_loss, HeadCalls.Term(0, hidden, weight, targets, ptx_coefficient, bias, options, token_weights, out _));
    }

    /// <summary>
    /// As <see cref="linear_loss(Tensor, Tensor, Tensor, Tensor, double, Tensor, PtxLossOptions, Tensor)"/>, with the parts of
    /// the total.
    /// </summary>
    /// <param name="rl_loss">The RL loss of the step, a scalar.</param>
    /// <param name="hidden">The hidden states, <c>[.., d]</c>.</param>
    /// <param name="weight">The weight of the output layer, <c>[vocabulary, d]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <param name="ptx_coefficient">γ, finite.</param>
    /// <param name="result">The total and its parts as numbers, for logs.</param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>, or <see langword="null"/>.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, or <see langword="null"/>.</param>
    /// <returns>The total.</returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As without the parts.</exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs.</exception>
    public static Tensor linear_loss(
        Tensor rl_loss,
        Tensor hidden,
        Tensor weight,
        Tensor targets,
        double ptx_coefficient,
        out PtxLossResult result,
        Tensor? bias = null,
        PtxLossOptions? options = null,
        Tensor? token_weights = null)
    {
        CheckRlLoss(rl_loss, hidden, nameof(hidden));
        return Total(
            rl_loss,
            HeadCalls.Term(
                Scalars.Read(rl_loss), hidden, weight, targets, ptx_coefficient, bias, options, token_weights, out result));
    }

    /// <summary>
    /// The cross-entropy from hidden states, in nats: <c>cross_entropy(linear(hidden, weight, bias), targets)</c> without the
    /// logits in memory.
    /// </summary>
    /// <param name="hidden">The hidden states, <c>[.., d]</c>, as for <c>linear_loss</c>.</param>
    /// <param name="weight">The weight of the output layer, <c>[vocabulary, d]</c>, of the type of the hidden states.</param>
    /// <param name="targets">The ids to predict, as for <c>linear_loss</c>.</param>
    /// <param name="bias">
    /// Added to the logits of each token, <c>[vocabulary]</c>, of the same type; <see langword="null"/> for none.
    /// </param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, as for <c>loss</c>.</param>
    /// <returns>A scalar, as that of <c>cross_entropy</c>.</returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As for <c>linear_loss</c>.</exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs.</exception>
    public static Tensor linear_cross_entropy(
        Tensor hidden,
        Tensor weight,
        Tensor targets,
        Tensor? bias = null,
        PtxLossOptions? options = null,
        Tensor? token_weights = null)
        => HeadCalls.Term(0, hidden, weight, targets, 1, bias, options, token_weights, out _);

    /// <summary>
    /// As <see cref="linear_cross_entropy(Tensor, Tensor, Tensor, Tensor, PtxLossOptions, Tensor)"/>, with the parts of the loss.
    /// </summary>
    /// <param name="hidden">The hidden states, <c>[.., d]</c>.</param>
    /// <param name="weight">The weight of the output layer, <c>[vocabulary, d]</c>.</param>
    /// <param name="targets">The ids to predict.</param>
    /// <param name="result">The loss and its parts as numbers, for logs; its RL loss is 0, its γ 1.</param>
    /// <param name="bias">Added to the logits of each token, <c>[vocabulary]</c>, or <see langword="null"/>.</param>
    /// <param name="options"><see langword="null"/> for <see cref="PtxLossOptions.Default"/>.</param>
    /// <param name="token_weights">How much each token counts, or <see langword="null"/>.</param>
    /// <returns>The loss.</returns>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">As for <c>linear_loss</c>.</exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs.</exception>
    public static Tensor linear_cross_entropy(
        Tensor hidden,
        Tensor weight,
        Tensor targets,
        out PtxLossResult result,
        Tensor? bias = null,
        PtxLossOptions? options = null,
        Tensor? token_weights = null)
        => HeadCalls.Term(0, hidden, weight, targets, 1, bias, options, token_weights, out result);

    /// <summary>
    /// The log-probability of each token's id and the entropy of its distribution, in nats, from hidden states: as
    /// <see cref="token_log_probs"/> of <c>linear(hidden, weight, bias)</c>, without the logits in memory in either pass.
    /// </summary>
    /// <param name="hidden">The hidden states, <c>[.., d]</c>, as for <c>linear_loss</c>.</param>
    /// <param name="weight">The weight of the output layer, <c>[vocabulary, d]</c>, of the type of the hidden states.</param>
    /// <param name="ids">The ids that were sampled: the shape of the hidden states without the last dimension.</param>
    /// <param name="bias">
    /// Added to the logits of each token, <c>[vocabulary]</c>, of the same type; <see langword="null"/> for none.
    /// </param>
    /// <param name="options">As for <see cref="token_log_probs"/>.</param>
    /// <returns>As <see cref="token_log_probs"/>.</returns>
    /// <remarks>The backward pass multiplies the logits again; tokens whose gradients are 0 take no time there.</remarks>
    /// <exception cref="ArgumentNullException">A tensor is missing.</exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type, a device, an id or an option does not fit; the message names it.
    /// </exception>
    /// <exception cref="OutOfMemoryException">There is not as much memory as the call needs.</exception>
    public static (Tensor log_probs, Tensor entropy) linear_token_log_probs(
        Tensor hidden, Tensor weight, Tensor ids, Tensor? bias = null, PtxLossOptions? options = null)
        => HeadCalls.Tokens(hidden, weight, ids, bias, options);
}
