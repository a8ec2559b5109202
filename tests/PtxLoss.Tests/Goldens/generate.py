#!/usr/bin/python3
"""Writes the goldens, the *.json files next to this script: inputs of PtxLoss and what it must answer.

    /usr/bin/python3 tests/PtxLoss.Tests/Goldens/generate.py        (Debian: apt install python3-torch; nothing else is needed)

Two judges that know nothing of each other's code answer every case: `ptx_loss`, the definition that the project started from,
and PyTorch in float64 (`expected`). Where the definition accepts the input, its total, with its rounding to six digits, is
`seedTotal`; everything else, the gradient above all, is PyTorch's.

Logits are numbers of float32, written in the fewest digits that give back that float32, so tests must read them as float; the
answers are for exactly these numbers and are written in the fewest digits that give back the float64. Infinities and NaN are
the strings "Infinity", "-Infinity" and "NaN" (System.Text.Json: AllowNamedFloatingPointLiterals).

Each case draws from its own random numbers, seeded with its name: a new case changes no other. One thread and PyTorch's
plainest kernels make a rerun byte-identical (with the same PyTorch: 1.13.0 made these; another may differ in last digits).

Where PyTorch does something else than PtxLoss promises, the case says what PtxLoss promises:
  * all tokens ignored, or none given: the loss is 0, where `mean` is 0/0 in PyTorch;
  * an ignored row is not read: its gradient is 0 even if it holds NaN, where PyTorch's is 0·NaN;
  * a row with +inf has no softmax: its log-sum-exp is NaN as its loss is, where torch.logsumexp says +inf;
  * entropy takes 0·log 0 as 0, so masked logits leave it finite; argMax takes the first of equal logits, and the first NaN;
  * ignored tokens report 0 in every per-token output and −1 in argMax.
cross_entropy itself does with −inf what PtxLoss promises: a masked logit gets gradient 0, a target at −inf gives the loss +inf
with the gradient softmax − onehot, a row of only −inf gives NaN. With options beside it:
  * label smoothing: a −inf logit is not in the vocabulary, so PyTorch gets the row without it (with it, it says +inf);
  * a soft cap leaves infinite logits as they are, where tanh would make −inf, a mask, a logit of −cap;
  * a row without a softmax (one with NaN or +inf, or of only −inf) has the gradient NaN everywhere, also where it is masked;
  * a token of weight 0 adds nothing and its row is not read for loss and gradient; the per-token outputs know no weights and hold
    its values; tokenCount includes it;
  * shiftTargets: row t belongs to the target and the weight at t + 1 of its sequence, the last row of a sequence is ignored;
  * logitScale: everything is of z = logitScale · cap(logits), the log-sum-exp and the entropy as well; only argMax has no need
    of it;
  * accumulateGradient: `gradient` is `initialGradient` plus the gradient.

backward.json holds the vector-Jacobian products of CrossEntropy.Backward. They have no rlLoss, coefficient or reduced result:
`outputGradients` holds the per-token gradients of the outputs loss, logSumExp and entropy (those that are given), and `gradient`
is PyTorch's, in float64, of Σ loss-gradient · loss + logSumExp-gradient · logsumexp + entropy-gradient · entropy. `logSumExp` and
`entropy` are the values of the forward that Backward takes. What PtxLoss promises beside the above:
  * entropy takes 0·log 0 as 0, so a logit of −inf gets gradient 0, but as the target that of a loss of it alone;
  * the gradients of ignored tokens are not read (some are NaN), and a row whose gradients are all 0 is not read either: its
    gradient is 0 even if it holds NaN.

target-weighting.json: the weight of a token is its tokenWeight times s, which is p, the probability of its target, or p·(1 − p).
  * s is a constant to differentiation: autograd gets it detached;
  * the divisor stays the sum of the tokenWeights, without s;
  * a token whose s is 0 adds 0, even where its loss is +inf, and its gradient is 0;
  * perplexity is without s; label smoothing changes the loss, not s.

statistics.json: what a result reports when asked. These and perplexity are means by tokenWeights over the tokens that count,
whatever the reduction, the denominator and the weighting are.
  * accuracy: whether argMax is the target, so it takes the first of equal logits;
  * meanEntropy: the entropy in nats of what the softmax is of, soft cap and scale included;
  * where nothing counts, both are 0 and perplexity is 1.

soft-targets.json: idsPerToken ids and probabilities q for each token instead of a target. Its loss is Σ q·(lse − z) over them.
  * q need not add up to 1, and repeated ids add;
  * an id that is ignoreIndex is an unused place, whose q is not read (some are NaN); a token without a used place is ignored;
  * q = 0 adds 0, also where the logit is −inf; q > 0 there gives the loss +inf, and this logit the gradient of −q alone;
  * a token whose q are all 0 counts, and adds 0 but for its z-loss.
PyTorch's cross_entropy with class probabilities must agree where nothing is masked (of a masked logit it makes 0·∞).

hidden.json: logits = hidden · weightᵀ + bias. `head` holds what they are made of, and the gradients of these.
  * a bias of −inf masks its id;
  * the hidden states of ignored tokens and of those of weight 0 are not read (some are NaN) and get the gradient 0;
  * where gradients accumulate, those of weight and bias are added to the initial ones; hiddenGradient is written.

hidden-backward.json: products with output gradients, as in backward.json, from hidden states. Where vocabularyStart is given,
they are of a shard: weight and bias are those of its ids, targets are ids of the whole vocabulary.
  * logSumExp and entropy are those of whole rows, as Backward takes them;
  * shardLogSumExp, shardEntropy and argMax (an id of the whole vocabulary) are what Forward gives of the shard;
  * hiddenGradient is what the shard adds: autograd has other shards as constants;
  * the entropy of a shard that is masked has no meaning, and is NaN.

hidden-half.json, hidden-bfloat16.json and those of hidden-backward hold numbers that this type, the `element`, has exactly. The
answers are for these numbers and are not rounded to it.

Fields that say nothing are left out: perplexity in the older files, accuracy and meanEntropy where they are not asked for,
biasGradient where there is no bias, tokenWeights where each token counts once, sequenceLength where all targets are one sequence,
initialGradient where gradients do not accumulate, zLoss where its coefficient is 0 (it is 0 then).
"""

import itertools
import json
import math
import os
import pathlib
import random
import struct
from dataclasses import dataclass, field

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # the same digits whatever vectors the machine has
import torch  # noqa: E402
from torch.nn.functional import cross_entropy  # noqa: E402

torch.set_num_threads(1)

INF, NAN = math.inf, math.nan


def ptx_loss(
    rl_loss: float,
    pretrain_logits: list[list[float]],
    pretrain_targets: list[int],
    ptx_coeff: float,
) -> float:
    """
    Combined loss = rl_loss + ptx_coeff * LM_loss(pretrain_data)
    pretrain_logits: [seq_len, vocab_size]
    pretrain_targets: [seq_len] token IDs
    """
    seq_len = len(pretrain_logits)
    if seq_len == 0:
        return round(rl_loss, 6)

    # Compute cross-entropy language modeling loss on pretraining data
    lm_loss = 0.0
    for t in range(seq_len):
        logits = pretrain_logits[t]
        target = pretrain_targets[t]
        # Softmax + log for numerical stability
        max_l = max(logits)
        log_sum_exp = max_l + math.log(sum(math.exp(x - max_l) for x in logits))
        log_prob = logits[target] - log_sum_exp
        lm_loss -= log_prob

    lm_loss /= seq_len

    total_loss = rl_loss + ptx_coeff * lm_loss
    return round(total_loss, 6)


@dataclass
class Case:
    """
    One input. `options` holds what differs from PtxLossOptions.Default, under the names of its properties, and the parameter
    `tokenWeights` beside them, which becomes a field of its own. With soft targets, `targets` says which tokens are ignored; with
    a head, it makes the logits.
    """

    name: str
    vocabulary: int
    logits: list  # rows
    targets: list
    coefficient: float = 0.1
    rl_loss: float = 0.5
    options: dict = field(default_factory=dict)
    sequence: int = 0  # targets per sequence, or 0: all are one
    initial_gradient: list = None  # like logits, flat
    output_gradients: dict = None  # of Backward: the name of an output to its gradients, one per row
    soft: "SoftTargets" = None
    head: "Head" = None

    def __post_init__(self):
        if self.soft:
            assert not self.options.keys() & {"labelSmoothing", "targetWeighting", "shiftTargets"}, self.name
            self.targets = self.soft.targets(self.options.get("ignoreIndex", -100))
        if self.head:
            assert "shiftTargets" not in self.options, self.name
            hidden = torch.tensor(self.head.hidden, dtype=torch.float64).reshape(-1, self.head.size)
            self.logits = self.head.logits(hidden)[1].tolist()
        else:
            self.logits = [[float32(x) for x in row] for row in self.logits]
        assert len(self.logits) == len(self.targets) and all(len(row) == self.vocabulary for row in self.logits), self.name
        unknown = self.options.keys() - {
            "ignoreIndex", "reduction", "denominator", "tokenWeights", "shiftTargets", "labelSmoothing", "zLossCoefficient",
            "logitSoftCap", "logitScale", "accumulateGradient", "targetWeighting", "statistics", "vocabularyStart"}
        assert not unknown, f"{self.name}: expected() does not know {unknown}"
        assert len(self.weights) == len(self.targets), self.name
        assert self.sequence == 0 or len(self.targets) % self.sequence == 0, self.name
        if self.options.get("accumulateGradient"):
            rng = random.Random(f"{self.name}, initial gradient")
            count = len(self.logits) * self.vocabulary if self.head is None else self.head.parameters
            self.initial_gradient = self.initial_gradient or [float32(round(rng.gauss(0, 0.1), 3)) for _ in range(count)]

    def of_rows(self, values):
        """Of values that the targets have, the one that belongs to each row; None where the row predicts nothing."""
        if not self.options.get("shiftTargets"):
            return values
        length = self.sequence or len(values)
        return [None if i % length == 0 else values[i] for i in range(1, len(values) + 1)]

    @property
    def weights(self):
        return [float32(weight) for weight in self.options.get("tokenWeights", [1] * len(self.targets))]

    @property
    def ignored(self):
        return [target is None or target == self.options.get("ignoreIndex", -100) for target in self.of_rows(self.targets)]

    @property
    def seed_accepts(self):
        return (not any(self.ignored) and not self.options.keys() - {"ignoreIndex", "statistics"}
                and (self.soft is None or set(self.soft.probabilities) <= {1.0} and self.soft.ids_per_token == 1))

    @property
    def reports_perplexity(self):
        return bool(self.soft or self.head or self.options.keys() & {"targetWeighting", "statistics"})

    def inputs(self, read):
        """What autograd differentiates by, and the logits that it makes; hidden states that are not read are 0."""
        if self.head is None:
            logits = torch.tensor(self.logits, dtype=torch.float64).reshape(-1, self.vocabulary).requires_grad_()
            return (logits,), logits
        hidden = torch.tensor(self.head.hidden, dtype=torch.float64).reshape(-1, self.head.size)
        return self.head.logits(hidden.where(read[:, None], torch.tensor(0.0, dtype=torch.float64)))

    def gradients(self, leaves, logits, of_logits):
        """The fields that hold the gradients of the leaves, given that of the logits."""
        if self.head is None:
            return {"gradient": self.accumulated(of_logits.flatten(), 0).tolist()}
        hidden, weight, bias = torch.autograd.grad(logits, leaves, of_logits)
        weight = weight.flatten()
        return {
            "hiddenGradient": hidden.flatten().tolist(),
            "weightGradient": self.accumulated(weight, 0).tolist(),
            **({"biasGradient": self.accumulated(bias, len(weight)).tolist()} if self.head.bias else {}),
        }

    def accumulated(self, gradient, offset):
        if not self.initial_gradient:
            return gradient
        return torch.tensor(self.initial_gradient[offset:offset + len(gradient)], dtype=torch.float64) + gradient


@dataclass
class SoftTargets:
    ids: list  # of each token
    probabilities: list  # flat
    ids_per_token: int

    def __post_init__(self):
        self.probabilities = [float32(q) for q in self.probabilities]
        assert all(len(ids) == self.ids_per_token for ids in self.ids), self.ids
        assert len(self.probabilities) == len(self.ids) * self.ids_per_token, self.ids

    def targets(self, ignore_index):
        """For each token an id that is used, or the one that is ignored."""
        return [next((i for i in ids if i != ignore_index), ignore_index) for ids in self.ids]

    def losses(self, logits, counted, ignore_index):
        zero = torch.tensor(0.0, dtype=torch.float64)
        ids = torch.tensor(self.ids, dtype=torch.long).reshape(-1, self.ids_per_token)
        is_used = (ids != ignore_index) & counted[:, None]
        ids = ids.where(is_used, torch.tensor(0))
        q = torch.tensor(self.probabilities, dtype=torch.float64).reshape(ids.shape).where(is_used, zero)
        losses = (-q * torch.log_softmax(logits, dim=1).gather(1, ids)).where(q != 0, zero).sum(dim=1)

        dense = torch.zeros_like(logits).scatter_add(1, ids, q)
        judged = (logits != -INF).all(dim=1)
        assert torch.allclose(
            losses[judged], cross_entropy(logits, dense, reduction="none")[judged], rtol=1e-12, atol=1e-300, equal_nan=True)
        return losses


@dataclass
class Head:
    """A last layer: logits = hidden · weightᵀ + bias, or those of some ids if it has a shard, (start, end)."""

    hidden: list  # rows
    weight: list  # rows, of the whole vocabulary
    bias: list = None
    element: str = "float"
    shard: tuple = None

    def __post_init__(self):
        rounded = {"float": float32, "half": float16, "bfloat16": bfloat16}[self.element]
        self.hidden = [[rounded(x) for x in row] for row in self.hidden]
        self.weight = [[rounded(x) for x in row] for row in self.weight]
        self.bias = self.bias and [rounded(x) for x in self.bias]

    @property
    def size(self):
        return len(self.weight[0])

    @property
    def ids(self):
        return slice(*self.shard) if self.shard else slice(len(self.weight))

    @property
    def parameters(self):
        return len(self.weight[self.ids]) * (self.size + (self.bias is not None))

    def logits(self, hidden):
        """What autograd differentiates by, and the logits; where there is a shard, what others add is constant."""
        hidden = hidden.detach().requires_grad_()
        weight = torch.tensor(self.weight, dtype=torch.float64)
        bias = torch.tensor(self.bias or [0] * len(self.weight), dtype=torch.float64)
        ids = self.ids
        leaves = hidden, weight[ids].clone().requires_grad_(), bias[ids].clone().requires_grad_()
        logits = product(hidden.detach(), weight, bias)
        return leaves, torch.cat((logits[:, :ids.start or 0], product(*leaves), logits[:, ids.stop:]), dim=1)


def product(hidden, weight, bias):
    """Without matmul, whose digits depend on the machine."""
    return (hidden[:, None, :] * weight).sum(dim=2) + bias


def expected(case):
    """PyTorch's answer in float64, with the conventions above."""
    zero, nan = torch.tensor(0.0, dtype=torch.float64), torch.tensor(NAN, dtype=torch.float64)
    counts = torch.tensor([not ignored for ignored in case.ignored], dtype=torch.bool)
    targets = torch.tensor([target or 0 for target in case.of_rows(case.targets)], dtype=torch.long)
    weights = torch.tensor([weight or 0 for weight in case.of_rows(case.weights)], dtype=torch.float64).where(counts, zero)
    is_weighed = adds = weights > 0
    leaves, logits = case.inputs(adds)
    transformed = transform(logits, case.options)
    z_loss_coefficient = case.options.get("zLossCoefficient", 0)

    read = transformed.where(adds[:, None], zero)
    factors = target_factors(read.detach(), targets.where(adds, torch.tensor(0)), case.options.get("targetWeighting"))
    adds = adds & (factors != 0)
    read = transformed.where(adds[:, None], zero)
    divisor = 1 if case.options.get("reduction") == "sum" else case.options.get("denominator", weights.sum().item() or 1)
    losses = losses_of(case, read, targets, adds)
    language_model_loss = text_loss = (weights * factors * losses).sum() / divisor
    if z_loss_coefficient > 0:
        z_loss = (weights * factors * torch.logsumexp(read, dim=1) ** 2).sum() / divisor
        text_loss = language_model_loss + z_loss_coefficient * z_loss
    total = case.rl_loss + case.coefficient * text_loss
    (gradient,) = torch.autograd.grad(total, logits, retain_graph=True)
    no_softmax = (transformed.isnan() | (transformed == INF)).any(dim=1) | (transformed == -INF).all(dim=1)
    gradients = case.gradients(leaves, logits, gradient.where(~(no_softmax & adds)[:, None], nan))

    with torch.no_grad():
        transformed = transform(case.inputs(counts)[1], case.options)
        read = transformed.where(counts[:, None], zero)
        broken = (read.isnan() | (read == INF)).any(dim=1)
        log_sum_exp = torch.logsumexp(read, dim=1).where(~broken, nan)
        entropy = torch.special.entr(torch.log_softmax(read, dim=1).exp()).sum(dim=1)
        losses = losses_of(case, read, targets, counts)
        for row, transformed_row, ignored in zip(case.logits, transformed.tolist(), case.ignored):
            assert case.head and ignored or arg_max(row) == arg_max(transformed_row), (
                f"{case.name}: the cap makes ties, which less precise ones may break")
        arg_maxes = [-1 if ignored else arg_max(row) for row, ignored in zip(case.logits, case.ignored)]

        def mean(values):
            return (weights * values.where(is_weighed, zero)).sum().item() / (weights.sum().item() or 1)

        statistics = case.options.get("statistics", "")
        return {
            "tokenCount": int(counts.sum()),
            "total": total.item() if adds.any() else case.rl_loss,
            "languageModelLoss": language_model_loss.item(),
            **({"zLoss": z_loss.item()} if z_loss_coefficient > 0 else {}),
            **({"perplexity": torch.tensor(mean(losses), dtype=torch.float64).exp().item()} if case.reports_perplexity else {}),
            **({"accuracy": mean((torch.tensor(arg_maxes) == targets).double())} if "accuracy" in statistics else {}),
            **({"meanEntropy": mean(entropy)} if "entropy" in statistics else {}),
            "tokenLoss": losses.tolist(),
            "logSumExp": log_sum_exp.where(counts, zero).tolist(),
            "entropy": entropy.where(counts, zero).tolist(),
            "argMax": arg_maxes,
            **gradients,
        }


def expected_of_backward(case):
    """PyTorch's vector-Jacobian product in float64, and the outputs it starts from."""
    zero, nan = torch.tensor(0.0, dtype=torch.float64), torch.tensor(NAN, dtype=torch.float64)
    counts = torch.tensor([not ignored for ignored in case.ignored], dtype=torch.bool)
    targets = torch.tensor([target or 0 for target in case.of_rows(case.targets)], dtype=torch.long)
    of_output = {
        name: torch.tensor(gradients, dtype=torch.float64).where(counts, zero)
        for name, gradients in case.output_gradients.items()}
    is_read = sum(gradients != 0 for gradients in of_output.values()) > 0
    leaves, logits = case.inputs(is_read)
    transformed = transform(logits, case.options)

    def outputs(read, counted):
        log_probabilities = torch.log_softmax(read, dim=1)
        information = log_probabilities.where(read != -INF, zero)  # 0·log 0 = 0
        return {
            "loss": losses_of(case, read, targets, counted),
            "logSumExp": torch.logsumexp(read, dim=1),
            "entropy": -(log_probabilities.exp() * information).sum(dim=1),
        }

    values = outputs(transformed.where(is_read[:, None], zero), is_read)
    # A gradient of 0 takes no part: its product with a loss of +inf would be NaN.
    vector_jacobian_product = sum(
        (of_output[name] * values[name].where(of_output[name] != 0, zero)).sum() for name in of_output)
    (gradient,) = torch.autograd.grad(vector_jacobian_product, logits, retain_graph=True)
    no_softmax = (transformed.isnan() | (transformed == INF)).any(dim=1) | (transformed == -INF).all(dim=1)
    gradient = gradient.where(is_read[:, None], zero).where(~(no_softmax & is_read)[:, None], nan)
    gradients = case.gradients(leaves, logits, gradient)

    with torch.no_grad():
        transformed = transform(case.inputs(counts)[1], case.options)
        broken = (transformed.isnan() | (transformed == INF)).any(dim=1)
        no_softmax = broken | (transformed == -INF).all(dim=1)
        values = outputs(transformed.where(counts[:, None], zero), counts)
        of_shard = {}
        if case.head and case.head.shard:
            ids = case.head.ids
            shard = transformed[:, ids].where(counts[:, None], zero)
            of_shard = {
                "shardLogSumExp": torch.logsumexp(shard, dim=1).where(counts, zero).tolist(),
                # A shard that is masked has no softmax, and its entropy is multiplied with a probability of 0.
                "shardEntropy": torch.special.entr(torch.log_softmax(shard, dim=1).exp()).sum(dim=1).where(counts, zero).tolist(),
                "argMax": [-1 if ignored else ids.start + arg_max(row[ids]) for row, ignored in zip(case.logits, case.ignored)],
            }
        return {
            "logSumExp": values["logSumExp"].where(~broken, nan).where(counts, zero).tolist(),
            "entropy": values["entropy"].where(~no_softmax, nan).where(counts, zero).tolist(),
            **of_shard,
            **gradients,
        }


def transform(logits, options):
    return options.get("logitScale", 1) * soft_capped(logits, options.get("logitSoftCap", 0))


def soft_capped(logits, cap):
    return torch.where(logits.isinf(), logits, cap * torch.tanh(logits / cap)) if cap > 0 else logits


def target_factors(logits, targets, weighting):
    """What a token counts besides its weight, from the probability of its target; 1 − p is what the other ids have."""
    if weighting is None:
        return torch.ones(len(logits), dtype=torch.float64)
    softmax, places = torch.softmax(logits, dim=1), targets[:, None]
    probability = softmax.gather(1, places)[:, 0]
    return probability if weighting == "probability" else probability * softmax.scatter(1, places, 0.0).sum(dim=1)


def losses_of(case, logits, targets, counted):
    if case.soft:
        return case.soft.losses(logits, counted, case.options.get("ignoreIndex", -100))
    return token_losses(logits, targets.where(counted, torch.tensor(-100)), case.options.get("labelSmoothing", 0.0))


def token_losses(logits, targets, smoothing):
    losses = cross_entropy(logits, targets, ignore_index=-100, reduction="none", label_smoothing=smoothing)
    is_masked = (logits == -INF).any(dim=1)
    if smoothing == 0 or not is_masked.any():
        return losses
    return torch.stack([
        masked_loss(row, target, smoothing) if masked and target >= 0 else loss
        for row, target, masked, loss in zip(logits, targets, is_masked, losses)])


def masked_loss(row, target, smoothing):
    """The smoothed loss of a row without its −inf columns. A target among them cannot be left out of cross_entropy."""
    is_visible = row != -INF
    if is_visible[target]:
        return cross_entropy(row[is_visible], is_visible[:target].sum(), label_smoothing=smoothing)
    mean = row[is_visible].mean()
    return (1 - smoothing) * cross_entropy(row, target) + smoothing * (torch.logsumexp(row, dim=0) - mean)


def arg_max(row):
    nans = [i for i, x in enumerate(row) if math.isnan(x)]
    return nans[0] if nans else row.index(max(row))


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def float16(x):
    return struct.unpack("e", struct.pack("e", x))[0]


def bfloat16(x):
    return torch.tensor(x, dtype=torch.bfloat16).item()


# ---- inputs ------------------------------------------------------------------------------------------------------------------


def normal(name, tokens, vocabulary, scale=1.0, offset=0.0, **more):
    """Normal logits around an offset, each token with a random target."""
    rng = random.Random(name)
    logits = [[offset + rng.gauss(0, scale) for _ in range(vocabulary)] for _ in range(tokens)]
    targets = more.pop("targets", None) or [rng.randrange(vocabulary) for _ in range(tokens)]
    return Case(name, vocabulary, logits, targets, **more)


def masked(name, tokens, vocabulary, is_masked, **more):
    """As normal, with −inf where is_masked(token, i, target)."""
    case = normal(name, tokens, vocabulary, **more)
    for token, (row, target) in enumerate(zip(case.logits, case.targets)):
        row[:] = [-INF if is_masked(token, i, target) else x for i, x in enumerate(row)]
    return case


def with_values(case, **values):
    """Puts value at (token, i) for each name=(token, i, value)."""
    for token, i, value in values.values():
        case.logits[token][i] = value
    return case


def seed():
    """Lists as one would write them by hand to try the definition."""
    yield Case("seed, no tokens", 5, [], [], 0.1, 0.75)
    yield Case("seed, no tokens, more than six digits", 3, [], [], 1.0, -1.23456789)
    yield Case("seed, one token", 3, [[2.0, 1.0, 0.1]], [0], 0.1, 0.5)
    yield Case("seed, two tokens", 3, [[2.0, 1.0, 0.1], [0.5, 2.5, 0.3]], [0, 1], 0.1, 0.5)
    yield Case("seed, uniform", 4, [[0.0] * 4, [0.0] * 4], [2, 3], 0.05, 1.0)
    yield Case("seed, wrong with confidence", 3, [[10.0, -10.0, 0.0]], [1], 0.01, -0.3)
    yield Case("seed, right with confidence", 3, [[30.0, -10.0, 0.0]], [0], 1.0, 0.0)
    yield Case("seed, large logits", 2, [[1000.0, 1001.0], [-1000.0, -1001.0]], [0, 0], 0.1, 2.0)
    yield Case("seed, one id", 1, [[3.0], [-7.0]], [0, 0], 0.1, 0.25)
    for number in range(12):
        rng = random.Random(number)
        tokens, vocabulary = rng.randint(1, 6), rng.randint(2, 9)
        yield Case(
            f"seed, list {number}", vocabulary,
            [[round(rng.uniform(-4, 4), 1) for _ in range(vocabulary)] for _ in range(tokens)],
            [rng.randrange(vocabulary) for _ in range(tokens)],
            rng.choice([0.01, 0.02, 0.05, 0.1, 0.5]), round(rng.uniform(-2, 2), 3))


def shapes():
    """Lengths around vector widths and around the blocks that kernels work in."""
    for tokens, vocabulary in [
        (1, 1), (17, 1), (2, 2), (17, 2), (5, 3), (1, 7), (13, 7), (4, 31), (16, 31), (3, 33), (17, 33), (2, 100), (9, 100),
        (1, 257), (6, 257), (1, 1000), (4, 1000), (1, 1025), (1, 2049),
    ]:
        yield normal(f"shape {tokens}x{vocabulary}", tokens, vocabulary, scale=2)


def magnitudes():
    """Logits far apart and far from 0; the loss depends on neither the offset of a row nor where its maximum is."""
    for scale in (1, 10, 100):
        for offset in (0, 10_000, -10_000):
            yield normal(f"scale {scale}, offset {offset}, 3x33", 3, 33, scale, offset)
            yield normal(f"scale {scale}, offset {offset}, 1x257", 1, 257, scale, offset)
    rows = normal("a different offset in each row", 5, 33, 3)
    rows.logits = [[float32(x + offset) for x in row] for row, offset in zip(rows.logits, (-10_000, -100, 0, 100, 10_000))]
    yield rows
    ramp = [i / 10 - 50 for i in range(1100)]
    yield Case("rising, the maximum raised in every block", 1100, [ramp], [3])
    yield Case("falling, the maximum first", 1100, [ramp[::-1]], [1090])
    yield Case("rising by more than float's exponent range", 70, [[i * 10 - 300 for i in range(70)]], [68], 1.0)
    yield Case("many small terms beside a large one", 1100, [[0.0] + [-16.6] * 1099], [0], 1.0)
    yield Case("all equal, ties", 31, [[7.25] * 31, [-1e4] * 31], [0, 30], 1.0)


def target_places():
    for vocabulary in (7, 100):
        yield normal(f"targets first and last, {vocabulary}", 4, vocabulary, 3, targets=[0, vocabulary - 1] * 2)
        sure = normal(f"targets sure, {vocabulary}", 4, vocabulary, targets=[0, vocabulary - 1, 1, 2])
        for token, lead in enumerate((5, 10, 17, 60)):
            sure.logits[token][sure.targets[token]] = float(lead)
        yield sure


def coefficients():
    for coefficient in (0.0, 0.01, 0.1, 1.0, 27.8, -0.5, 1e-30):
        yield normal(f"coefficient {coefficient}", 4, 31, 2, coefficient=coefficient, rl_loss=-1.75)
    yield normal("rl loss large", 3, 7, rl_loss=12345.678901)
    yield normal("rl loss NaN", 3, 7, rl_loss=NAN)
    yield normal("rl loss infinite", 3, 7, rl_loss=-INF)
    yield Case("rl loss NaN, no tokens", 7, [], [], rl_loss=NAN)


def masks():
    for vocabulary in (33, 257):
        yield masked(f"every other id masked, {vocabulary}", 3, vocabulary, lambda _, i, target: i % 2 == 1 and i != target)
        yield masked(f"all but the target masked, {vocabulary}", 2, vocabulary, lambda _, i, target: i != target)
        yield masked(f"target masked, {vocabulary}", 1, vocabulary, lambda _, i, target: i == target)
    yield masked("the first block masked", 1, 1100, lambda _, i, target: i < 1050, targets=[1099])
    yield masked("all after the first block masked", 1, 1100, lambda _, i, target: i >= 1024, targets=[5])
    yield masked("one of three targets masked", 3, 7, lambda token, i, target: token == 1 and i == target)
    yield masked("target masked, coefficient 0", 2, 7, lambda token, i, target: token == 1 and i == target, coefficient=0.0)
    yield masked("target masked, coefficient negative", 2, 7, lambda _, i, target: i == target, coefficient=-2.0)
    yield masked("all masked", 1, 33, lambda *_: True)
    yield masked("one of two rows all masked", 2, 33, lambda token, *_: token == 1)
    yield masked("one id, masked", 1, 1, lambda *_: True)


def not_numbers():
    """Each makes its token's loss NaN, and only its own row's gradient."""
    yield with_values(normal("NaN", 2, 33, targets=[4, 5]), at=(0, 20, NAN))
    yield with_values(normal("NaN at the target", 2, 33, targets=[4, 5]), at=(1, 5, NAN))
    yield with_values(normal("NaN first, then infinity", 1, 33, targets=[4]), nan=(0, 1, NAN), infinity=(0, 2, INF))
    yield with_values(normal("infinity", 2, 33, targets=[4, 5]), at=(0, 32, INF))
    yield with_values(normal("infinity at the target", 2, 33, targets=[4, 5]), at=(1, 5, INF))


def ignored():
    yield normal("some ignored", 6, 33, targets=[-100, 3, 32, -100, 0, -100])
    yield normal("all ignored", 3, 33, targets=[-100] * 3)
    yield normal("all ignored, coefficient 0", 1, 7, targets=[-100], coefficient=0.0)
    yield normal("one of seventeen counts", 17, 7, targets=[-100] * 11 + [6] + [-100] * 5)
    yield normal("padding id 0 ignored", 5, 31, targets=[4, 0, 0, 30, 0], options={"ignoreIndex": 0})
    yield normal("ignore index beyond the vocabulary", 4, 31, targets=[4, 99, 30, 99], options={"ignoreIndex": 99})
    yield normal("ignore index -1", 4, 31, targets=[-1, 4, 30, -1], options={"ignoreIndex": -1})
    yield normal("no ignore index", 4, 31, options={"ignoreIndex": None})
    yield with_values(
        normal("ignored rows are not read", 4, 33, targets=[-100, 3, -100, 9]), nan=(0, 3, NAN), infinity=(2, 7, INF))
    yield masked("ignored row all masked", 2, 7, lambda token, *_: token == 0, targets=[-100, 6])


def reductions():
    some_ignored = [5, -100, 0, 30, -100]
    yield normal("sum", 7, 31, options={"reduction": "sum"})
    yield normal("sum, some ignored", 5, 31, targets=some_ignored, options={"reduction": "sum"})
    yield normal("sum, all ignored", 2, 31, targets=[-100] * 2, options={"reduction": "sum"})
    yield normal("sum, no tokens", 0, 31, options={"reduction": "sum"})
    for denominator in (0.5, 5.0, 4096.0):
        yield normal(f"denominator {denominator}", 5, 31, targets=some_ignored, options={"denominator": denominator})
    yield normal("denominator, all ignored", 2, 31, targets=[-100] * 2, options={"denominator": 8.0})
    yield masked(
        "denominator, target masked", 2, 31, lambda token, i, target: token == 0 and i == target, options={"denominator": 3.0})


SOME_IGNORED = [5, -100, 0, 30, -100]


def smoothing():
    for smoothing in (0.1, 0.5, 0.999):
        yield normal(f"smoothing {smoothing}", 4, 31, 2, options={"labelSmoothing": smoothing})
    options = {"labelSmoothing": 0.1}
    yield normal("smoothing, 1x257", 1, 257, 2, options=options)
    yield normal("smoothing, one id", 2, 1, options=options)
    yield normal("smoothing, no tokens", 0, 31, options=options)
    yield normal("smoothing, far from 0", 3, 33, 10, -10_000, options=options)
    yield normal("smoothing, some ignored", 5, 31, targets=SOME_IGNORED, options=options)
    yield normal("smoothing, all ignored", 2, 31, targets=[-100] * 2, options=options)
    yield normal("smoothing, sum", 5, 31, targets=SOME_IGNORED, options=options | {"reduction": "sum"})
    yield normal("smoothing, denominator", 5, 31, targets=SOME_IGNORED, options=options | {"denominator": 40.0})
    sure = normal("smoothing, targets sure", 3, 31, targets=[0, 30, 1], options=options)
    for token, lead in enumerate((5, 17, 60)):
        sure.logits[token][sure.targets[token]] = float(lead)
    yield sure
    yield masked("smoothing, every other id masked", 3, 33, lambda _, i, target: i % 2 == 1 and i != target, options=options)
    yield masked("smoothing, all but the target masked", 2, 33, lambda _, i, target: i != target, options=options)
    yield masked("smoothing, target masked", 2, 33, lambda token, i, target: token == 1 and i == target, options=options)
    yield masked("smoothing, one of two rows all masked", 2, 33, lambda token, *_: token == 1, options=options)
    yield with_values(
        masked("smoothing, NaN beside masks", 2, 33, lambda _, i, target: i == 7, targets=[4, 5], options=options),
        at=(0, 20, NAN))
    yield with_values(normal("smoothing, infinity", 2, 33, targets=[4, 5], options=options), at=(1, 5, INF))


def z_loss():
    for coefficient in (1e-4, 0.1, 3.0):
        yield normal(f"z-loss {coefficient}", 4, 31, 2, options={"zLossCoefficient": coefficient})
    options = {"zLossCoefficient": 0.01}
    yield normal("z-loss, log-sum-exp negative", 3, 33, 2, -90, options=options)
    yield normal("z-loss, log-sum-exp large", 2, 33, 2, 10_000, options=options)
    yield normal("z-loss, 1x257", 1, 257, 2, options=options)
    yield normal("z-loss, one id", 2, 1, 5, options=options)
    yield normal("z-loss, no tokens", 0, 31, options=options)
    yield normal("z-loss, some ignored", 5, 31, targets=SOME_IGNORED, options=options)
    yield normal("z-loss, all ignored", 2, 31, targets=[-100] * 2, options=options)
    yield normal("z-loss, sum", 5, 31, targets=SOME_IGNORED, options=options | {"reduction": "sum"})
    yield normal("z-loss, denominator", 5, 31, targets=SOME_IGNORED, options=options | {"denominator": 40.0})
    yield normal("z-loss, coefficient of the text 0", 2, 7, coefficient=0.0, options=options)
    yield masked("z-loss, every other id masked", 3, 33, lambda _, i, target: i % 2 == 1 and i != target, options=options)
    yield masked("z-loss, target masked", 2, 33, lambda token, i, target: token == 1 and i == target, options=options)
    yield masked("z-loss, one of two rows all masked", 2, 33, lambda token, *_: token == 1, options=options)
    yield with_values(normal("z-loss, NaN", 2, 33, targets=[4, 5], options=options), at=(0, 20, NAN))


def soft_cap():
    for cap in (0.5, 5.0, 30.0, 1e6):
        yield normal(f"soft cap {cap}", 4, 31, 3 if cap > 1 else 0.5, options={"logitSoftCap": cap})
    options = {"logitSoftCap": 30.0}
    yield normal("soft cap, most logits beyond it", 3, 33, 80, options=options)
    yield normal("soft cap, all logits at its end", 2, 33, 3, -150, options=options)
    yield normal("soft cap, 1x257", 1, 257, 10, options=options)
    yield normal("soft cap, one id", 2, 1, 5, options=options)
    yield normal("soft cap, no tokens", 0, 31, options=options)
    yield normal("soft cap, some ignored", 5, 31, targets=SOME_IGNORED, options=options)
    yield normal("soft cap, sum", 5, 31, targets=SOME_IGNORED, options=options | {"reduction": "sum"})
    yield masked("soft cap, every other id masked", 3, 33, lambda _, i, target: i % 2 == 1 and i != target, options=options)
    yield masked("soft cap, target masked", 2, 33, lambda token, i, target: token == 1 and i == target, options=options)
    yield masked("soft cap, one of two rows all masked", 2, 33, lambda token, *_: token == 1, options=options)
    yield with_values(normal("soft cap, NaN", 2, 33, targets=[4, 5], options=options), at=(0, 20, NAN))
    yield with_values(normal("soft cap, infinity", 2, 33, targets=[4, 5], options=options), at=(1, 20, INF))


def token_weights():
    def weighted(name, weights, vocabulary=31, options=None, **more):
        options = {"tokenWeights": weights, **(options or {})}
        return normal(f"weights, {name}", len(weights), vocabulary, 2, options=options, **more)

    yield weighted("above and below 1", [0.25, 1.0, 3.5, 0.001, 12.0])
    yield weighted("all the same", [0.7] * 3)
    yield weighted("one token", [0.3], 7)
    yield weighted("no tokens", [])
    yield weighted("tiny", [1e-30, 2e-30, 1e-37], 7)
    yield weighted("large", [1e30, 3e30, 1.0], 7)
    yield weighted("some 0", [1.0, 0.0, 0.5, 0.0])
    yield weighted("all 0", [0.0] * 3, 7)
    yield weighted("all 0, denominator", [0.0] * 3, 7, {"denominator": 4.0})
    yield weighted("all 0 or ignored", [0.0, 2.0], 7, targets=[4, -100])
    yield weighted("ignored tokens weigh nothing", [1.5, 7.0, 0.5, 0.0, 9.0], targets=SOME_IGNORED)
    yield weighted("sum", [1.5, 7.0, 0.5, 0.0, 9.0], options={"reduction": "sum"}, targets=SOME_IGNORED)
    yield weighted("denominator", [1.5, 7.0, 0.5, 0.0, 9.0], options={"denominator": 2.5}, targets=SOME_IGNORED)
    yield with_values(
        weighted("rows of weight 0 are not read", [0.0, 2.0, 0.0], targets=[4, 5, 6]), nan=(0, 20, NAN), inf=(2, 1, INF))
    yield with_values(weighted("target masked, weight 0", [0.0, 2.0], 7, targets=[4, 5]), at=(0, 4, -INF))
    yield with_values(weighted("target masked, weight 2", [1.0, 2.0], 7, targets=[4, 5]), at=(1, 5, -INF))


def shift():
    def shifted(name, batch, sequence, vocabulary=7, options=None, **more):
        return normal(
            f"shift, {name}", batch * sequence, vocabulary, 2, options={"shiftTargets": True, **(options or {})},
            sequence=sequence, **more)

    one = shifted("one sequence", 1, 5, 31)
    one.sequence = 0
    yield one
    yield shifted("a batch of one", 1, 5, 31)
    yield shifted("3 sequences of 4", 3, 4)
    yield shifted("sequences of 2", 5, 2)
    yield shifted("sequences of 1 predict nothing", 3, 1)
    yield shifted("no sequences", 0, 4)
    some_ignored = [-100, 3, -100, 6, 0, -100, 5, -100]
    yield shifted("some ignored", 2, 4, targets=some_ignored)
    yield shifted("some ignored, sum", 2, 4, targets=some_ignored, options={"reduction": "sum"})
    yield shifted("some ignored, denominator", 2, 4, targets=some_ignored, options={"denominator": 11.0})
    yield shifted("all but the first ignored", 2, 3, targets=[4, -100, -100] * 2)
    yield shifted("padding id 0 ignored", 2, 4, targets=[0, 3, 0, 0, 2, 4, 6, 0], options={"ignoreIndex": 0})
    yield with_values(shifted("last rows are not read", 2, 3), nan=(2, 3, NAN), infinity=(5, 0, INF))
    yield shifted("weights move with their targets", 2, 4, options={"tokenWeights": [9.0, 0.5, 0.0, 2.0, 7.0, 1.0, 0.25, 4.0]})


def accumulate():
    def accumulated(name, tokens, vocabulary=31, options=None, **more):
        options = {"accumulateGradient": True, **(options or {})}
        return normal(f"accumulate, {name}", tokens, vocabulary, 2, options=options, **more)

    yield accumulated("4x31", 4)
    yield accumulated("no tokens", 0)
    yield accumulated("gradient 0", 2, 7, coefficient=0.0)
    yield accumulated("small beside large", 2, 7, coefficient=1e-6, initial_gradient=[100.0] * 14)
    yield accumulated("some ignored", 5, targets=SOME_IGNORED)
    yield accumulated("all ignored", 2, 7, targets=[-100] * 2)
    yield accumulated("sum", 5, targets=SOME_IGNORED, options={"reduction": "sum"})
    yield accumulated("weights", 4, 7, {"tokenWeights": [0.0, 2.0, 0.5, 0.0]})
    yield accumulated("ignored rows stay", 2, 7, targets=[-100, 3], initial_gradient=[NAN, INF, -INF] + [0.25] * 11)
    yield with_values(accumulated("NaN", 2, 7), at=(1, 2, NAN))
    yield masked(
        "accumulate, masked", 3, 33, lambda _, i, target: i % 3 == 0 and i != target, options={"accumulateGradient": True})


def combinations():
    """Every two and more of the options that change the loss of a token or its place, under each reduction in turn."""
    parts = {
        "smoothing": {"labelSmoothing": 0.1},
        "z-loss": {"zLossCoefficient": 0.02},
        "soft cap": {"logitSoftCap": 4.0},
        "weights": {"tokenWeights": [0.5, 2.0, 0.0, 1.5, 0.25, 1.0]},
        "shift": {"shiftTargets": True},
        "accumulate": {"accumulateGradient": True},
    }
    reductions = itertools.cycle([{}, {"reduction": "sum"}, {"denominator": 2.5}])
    for count in range(2, len(parts) + 1):
        for names in itertools.combinations(parts, count):
            options = {key: value for name in names for key, value in parts[name].items()}
            yield masked(
                " + ".join(names), 6, 7, lambda token, i, target: token in (3, 4) and i in (1, token), scale=3,
                targets=[3, -100, 6, 0, 5, 2], options=options | next(reductions), sequence=3 if "shift" in names else 0)

    everything = {"labelSmoothing": 0.05, "zLossCoefficient": 1e-3, "logitSoftCap": 30.0, "accumulateGradient": True}
    yield normal("everything, 3x300", 3, 300, 5, targets=[17, -100, 299], options=everything | {"tokenWeights": [0.5, 1.0, 2.0]})
    yield normal(
        "everything, shifted, 2x300", 2, 300, 5, targets=[-100, 299], sequence=2,
        options=everything | {"tokenWeights": [0.0, 0.75], "shiftTargets": True})
    yield masked(
        "everything, 1x2000", 1, 2000, lambda _, i, target: i % 10 == 3 and i != target, scale=10,
        options=everything | {"tokenWeights": [1.5]})
    yield masked(
        "smoothing + z-loss, 1x1500", 1, 1500, lambda _, i, target: i < 1050 and i != target, scale=2, targets=[7],
        options={"labelSmoothing": 0.2, "zLossCoefficient": 0.01})


def logit_scale():
    def scaled(name, tokens, vocabulary, scale=1 / 0.7, spread=2, offset=0, options=None, **more):
        options = {"logitScale": scale, **(options or {})}
        return normal(f"logit scale, {name}", tokens, vocabulary, spread, offset, options=options, **more)

    yield scaled("0.5", 4, 31, 0.5)
    yield scaled("1/0.7", 4, 31)
    yield scaled("30", 4, 31, 30, 0.1)
    yield scaled("30, sure", 4, 31, 30, 1)
    yield scaled("0.5, 1x257", 1, 257, 0.5, 5)
    yield scaled("1/0.7, 1x257", 1, 257)
    yield scaled("30, 1x1500", 1, 1500, 30, 0.1)
    yield scaled("one id", 2, 1)
    yield scaled("no tokens", 0, 31)
    yield scaled("far from 0", 3, 33, 0.5, 10, -10_000)
    yield scaled("some ignored", 5, 31, targets=SOME_IGNORED)
    yield scaled("sum", 5, 31, options={"reduction": "sum"}, targets=SOME_IGNORED)
    parts = {
        "soft cap": {"logitSoftCap": 4.0},
        "smoothing": {"labelSmoothing": 0.1},
        "z-loss": {"zLossCoefficient": 0.02},
        "weights": {"tokenWeights": [0.5, 2.0, 0.0, 1.5]},
        "accumulate": {"accumulateGradient": True},
    }
    for name, options in parts.items():
        for value, spread in ((0.5, 3), (1 / 0.7, 3), (30, 0.1)):
            yield scaled(f"{value:.3g}, {name}", 4, 7, value, spread, options=options)
    everything = {key: value for options in parts.values() for key, value in options.items()}
    for value, spread in ((0.5, 3), (1 / 0.7, 3), (30, 0.1)):
        yield scaled(f"{value:.3g}, everything", 4, 31, value, spread, options=everything, targets=[5, -100, 0, 30])
    yield scaled("everything, shifted", 4, 31, options=everything | {"shiftTargets": True}, sequence=2)
    yield scaled("everything, 1x1500", 1, 1500, options=everything | {"tokenWeights": [1.5]})

    scale = {"logitScale": 1 / 0.7}
    name = "logit scale, every other id masked"
    yield masked(name, 3, 33, lambda _, i, target: i % 2 == 1 and i != target, options=scale)
    yield masked(f"{name}, everything", 4, 31, lambda _, i, target: i % 2 == 1 and i != target, options=scale | everything)
    yield masked("logit scale, target masked", 2, 33, lambda token, i, target: token == 1 and i == target, options=scale)
    yield masked("logit scale, one of two rows all masked", 2, 33, lambda token, *_: token == 1, options=scale)
    yield with_values(scaled("NaN", 2, 33, targets=[4, 5]), at=(0, 20, NAN))
    yield with_values(scaled("infinity", 2, 33, targets=[4, 5]), at=(1, 20, INF))


def backward():
    """Vector-Jacobian products of CrossEntropy.Forward."""
    outputs = ("loss", "logSumExp", "entropy")

    def product(name, tokens, vocabulary, by=outputs, spread=2, offset=0, is_masked=lambda *_: False, size=1, **more):
        case = masked(f"backward, {name}", tokens, vocabulary, is_masked, scale=spread, offset=offset, **more)
        rng = random.Random(f"{case.name}, output gradients")
        case.output_gradients = {output: [size * round(rng.gauss(0, 1), 3) for _ in range(tokens)] for output in by}
        return case

    def with_gradients(case, **gradients):
        case.output_gradients.update(gradients)
        return case

    for tokens, vocabulary in [(5, 3), (4, 7), (2, 300), (1, 1500)]:
        for by in ("loss",), ("logSumExp",), ("entropy",), ("loss", "entropy"), outputs:
            yield product(f"{' and '.join(by)}, {tokens}x{vocabulary}", tokens, vocabulary, by)

    cap, smoothing = {"logitSoftCap": 4.0}, {"labelSmoothing": 0.1}
    options = {
        "soft cap": cap,
        "smoothing": smoothing,
        "logit scale 0.5": {"logitScale": 0.5},
        "logit scale 1/0.7": {"logitScale": 1 / 0.7},
        "soft cap and logit scale": cap | {"logitScale": 1 / 0.7},
        "soft cap and smoothing": cap | smoothing,
        "smoothing and logit scale": smoothing | {"logitScale": 0.5},
        "everything": cap | smoothing | {"logitScale": 1 / 0.7, "accumulateGradient": True},
    }
    for name, chosen in options.items():
        for output in outputs:
            yield product(f"{output}, {name}", 4, 7, (output,), 3, options=chosen)
        yield product(f"all, {name}", 4, 7, spread=3, options=chosen)
        yield product(f"all, {name}, 2x300", 2, 300, spread=3, options=chosen)
    yield product("all, everything, 1x1500", 1, 1500, spread=3, options=options["everything"])
    for spread in (0.1, 1):
        yield product(f"logit scale 30, spread {spread}", 4, 7, spread=spread, options={"logitScale": 30})
        yield product(f"logit scale 30, spread {spread}, 2x300", 2, 300, spread=spread, options={"logitScale": 30})

    for name, chosen in {"": {}, ", smoothing": smoothing, ", everything": options["everything"]}.items():
        for output in outputs:
            yield product(
                f"{output}, every other id masked{name}", 4, 7, (output,), 3, options=chosen,
                is_masked=lambda _, i, target: i % 2 == 1 and i != target)
        yield product(
            f"every other id masked{name}, 2x300", 2, 300, options=chosen,
            is_masked=lambda _, i, target: i % 2 == 1 and i != target)
        yield product(
            f"all but the target masked{name}", 2, 7, options=chosen, is_masked=lambda _, i, target: i != target)
        yield product(
            f"target masked{name}", 3, 7, options=chosen, is_masked=lambda token, i, target: token > 0 and i == target)
        yield product(
            f"all, one of two rows all masked{name}", 2, 7, options=chosen, is_masked=lambda token, *_: token == 1)
    yield product("a long masked prefix, 1x1500", 1, 1500, targets=[1400], is_masked=lambda _, i, target: i < 1050)
    yield product("entropy, target masked", 2, 7, ("entropy",), is_masked=lambda _, i, target: i == target)
    yield with_values(product("NaN", 2, 7, targets=[4, 5]), at=(0, 2, NAN))
    yield with_values(product("infinity", 2, 7, targets=[4, 5]), at=(1, 5, INF))
    yield with_values(product("entropy, infinity", 2, 7, ("entropy",), targets=[4, 5]), at=(1, 5, INF))

    some_ignored = [-100, 3, 6, -100]
    yield product("some ignored", 4, 7, targets=some_ignored)
    yield product("all ignored", 2, 3, targets=[-100] * 2)
    yield product("padding id 0 ignored", 4, 3, targets=[0, 2, 0, 1], options={"ignoreIndex": 0})
    yield with_gradients(
        with_values(
            product("nothing of ignored tokens is read", 4, 7, targets=some_ignored), nan=(0, 3, NAN), infinity=(3, 1, INF)),
        loss=[NAN, 1.5, -0.5, INF], logSumExp=[INF, 0.25, 2.0, NAN], entropy=[NAN, -1.0, 0.01, NAN])
    yield with_gradients(
        with_values(product("rows whose gradients are 0 are not read", 4, 7), nan=(0, 3, NAN), infinity=(3, 1, INF)),
        loss=[0.0, 1.5, -0.5, -0.0], logSumExp=[0.0, 0.0, 2.0, 0.0], entropy=[0.0, 0.25, 0.0, 0.0])
    yield with_gradients(
        product("each alone by its row", 4, 7), loss=[1.0, 0.0, 0.0, 0.0], logSumExp=[0.0, 1.0, 0.0, 0.0],
        entropy=[0.0, 0.0, 1.0, 0.0])
    yield product("shifted", 6, 7, options={"shiftTargets": True}, sequence=3)
    yield product("accumulated", 4, 7, options={"accumulateGradient": True}, targets=some_ignored)

    for output in outputs:
        yield product(f"{output}, far from 0", 3, 7, (output,), 10, -10_000)
        sure = product(f"{output}, targets sure", 3, 7, (output,), targets=[0, 6, 1])
        for token, lead in enumerate((5, 17, 60)):
            sure.logits[token][sure.targets[token]] = float(lead)
        yield sure
    yield product("uniform", 2, 7, spread=0)
    yield product("uniform, 1x300", 1, 300, spread=0, offset=3)
    yield product("large gradients", 3, 7, size=1e20)
    yield product("small gradients", 3, 7, size=1e-20)
    yield product("no tokens", 0, 7)


def target_weighting():
    weightings = {"probability": {"targetWeighting": "probability"}, "p(1 − p)": {"targetWeighting": "probabilityVariance"}}

    def weighed(name, tokens, vocabulary=5, options=None, spread=2, is_masked=lambda *_: False, **more):
        for prefix, weighting in weightings.items():
            yield masked(
                f"{prefix}, {name}", tokens, vocabulary, is_masked, scale=spread, options=weighting | (options or {}), **more)

    def in_turn(cases, counter=itertools.count()):
        """One of the two: where they differ no more than elsewhere."""
        yield list(cases)[next(counter) % 2]

    yield from weighed("3x17", 3, 17)
    yield from in_turn(weighed("1x260", 1, 260, spread=4))
    yield from weighed("one id", 2, 1)
    yield from in_turn(weighed("no tokens", 0))
    for case in weighed("targets sure", 3, targets=[0, 4, 1]):
        for token, lead in enumerate((5, 17, 60)):
            case.logits[token][case.targets[token]] = float(lead)
        yield case
    for case in weighed("targets improbable", 4, targets=[0, 4, 1, 2]):
        for token, lead in enumerate((5, 20, 60, 900)):
            case.logits[token][3] = float(lead)  # e⁻⁹⁰⁰ is 0
        yield case
    yield from in_turn(weighed("uniform", 2, spread=0))
    yield from in_turn(weighed("far from 0", 2, spread=3, offset=-10_000))
    yield from weighed("some ignored", 5, targets=[4, -100, 0, 3, -100])
    yield from in_turn(weighed("all ignored", 2, targets=[-100] * 2))
    yield from weighed("sum", 3, options={"reduction": "sum"})
    yield from in_turn(weighed("denominator", 3, options={"denominator": 2.5}))
    yield from in_turn(weighed("coefficient negative", 2, coefficient=-2.0))
    parts = {
        "smoothing": {"labelSmoothing": 0.1},
        "z-loss": {"zLossCoefficient": 0.02},
        "soft cap": {"logitSoftCap": 4.0},
        "logit scale": {"logitScale": 1 / 0.7},
        "token weights": {"tokenWeights": [0.5, 2.0, 0.0, 1.5]},
        "accumulate": {"accumulateGradient": True},
        "statistics": {"statistics": "accuracy, entropy"},
    }
    for name, options in parts.items():
        yield from in_turn(weighed(name, 4, options=options, spread=3))
    everything = {key: value for options in parts.values() for key, value in options.items()}
    yield from weighed("everything", 4, options=everything, spread=3, targets=[3, -100, 4, 0])
    yield from in_turn(weighed("everything, 1x260", 1, 260, everything | {"tokenWeights": [0.75]}, 3))
    yield from in_turn(weighed("everything, shifted", 4, options=everything | {"shiftTargets": True}, spread=3, sequence=2))
    yield from in_turn(weighed("every other id masked", 2, 7, is_masked=lambda _, i, target: i % 2 == 1 and i != target))
    yield from weighed("all but the target masked", 2, is_masked=lambda _, i, target: i != target)
    for name, options in {"": {}, ", smoothing and z-loss": parts["smoothing"] | parts["z-loss"]}.items():
        yield from weighed(
            f"one of two targets masked{name}", 2, options=options, is_masked=lambda token, i, target: token == 1 and i == target)
    yield from in_turn(weighed("all targets masked", 2, is_masked=lambda _, i, target: i == target))
    yield from in_turn(weighed("one of two rows all masked", 2, is_masked=lambda token, *_: token == 1))
    yield from in_turn(with_values(case, at=(0, 3, NAN)) for case in weighed("NaN", 2, targets=[4, 0]))
    yield from in_turn(with_values(case, at=(1, 3, INF)) for case in weighed("infinity", 2, targets=[4, 0]))


def statistics():
    accuracy, entropy, both = ({"statistics": names} for names in ("accuracy", "entropy", "accuracy, entropy"))

    def reported(name, tokens=4, vocabulary=5, options=None, statistics=both, targets=None, **more):
        """Every second target is the largest logit's, unless they are given."""
        case = normal(
            f"statistics, {name}", tokens, vocabulary, 2, options=statistics | (options or {}), targets=targets, **more)
        if targets is None:
            case.targets[::2] = map(arg_max, case.logits[::2])
        return case

    weights = {"tokenWeights": [0.5, 2.0, 0.0, 1.5]}
    yield reported("accuracy", statistics=accuracy)
    yield reported("entropy", statistics=entropy)
    yield reported("both")
    yield reported("both, 1x260", 1, 260)
    yield reported("one id", 2, 1)
    yield reported("no tokens", 0)
    ties = reported("ties, targets the first", 2, targets=[0, 2])
    ties.logits = [[1.5] * 5, [0.25, 2.0, 3.0, 3.0, 3.0]]
    yield ties
    ties = reported("ties, targets not the first", 2, targets=[1, 4])
    ties.logits = [[1.5] * 5, [0.25, 2.0, 3.0, 3.0, 3.0]]
    yield ties
    yield reported("some ignored", targets=[-100, 3, 4, -100])
    yield reported("all ignored", 2, targets=[-100] * 2)
    yield reported("weights", options=weights)
    yield reported("weights all 0", 2, options={"tokenWeights": [0.0, 0.0]})
    yield with_values(
        reported("rows of weight 0 are not read", 3, targets=[4, 0, 1], options={"tokenWeights": [0.0, 2.0, 0.0]}),
        nan=(0, 3, NAN), infinity=(2, 1, INF))
    yield reported("sum, weights", options={"reduction": "sum"} | weights)
    yield reported("denominator", options={"denominator": 40.0})
    yield reported("smoothing", options={"labelSmoothing": 0.1})
    yield reported("soft cap", options={"logitSoftCap": 4.0})
    yield reported("logit scale", options={"logitScale": 0.4})
    yield reported("shifted", 6, options={"shiftTargets": True, "tokenWeights": [9.0, 0.5, 2.0, 7.0, 1.0, 0.25]}, sequence=3)
    yield reported(
        "everything", targets=[4, 3, -100, 0], options=weights | {
            "labelSmoothing": 0.1, "zLossCoefficient": 0.02, "logitSoftCap": 4.0, "logitScale": 1 / 0.7,
            "accumulateGradient": True, "denominator": 3.0})
    yield masked("statistics, every other id masked", 2, 7, lambda _, i, target: i % 2 == 1 and i != target, options=both)
    yield masked("statistics, all but the target masked", 2, 5, lambda _, i, target: i != target, options=both)
    yield masked("statistics, target masked", 2, 5, lambda token, i, target: token == 1 and i == target, options=both)
    yield masked("statistics, one of two rows all masked", 2, 5, lambda token, *_: token == 1, targets=[2, 3], options=both)
    yield with_values(reported("NaN", 2, targets=[4, 0]), at=(0, 2, NAN))
    yield with_values(reported("infinity", 2, targets=[4, 0]), at=(1, 2, INF))


def top_ids(rng, tokens, vocabulary, ids_per_token):
    """Different ids for each token, with probabilities that add up to 1, but for their rounding."""
    ids = [rng.sample(range(vocabulary), ids_per_token) for _ in range(tokens)]
    shares = [[rng.expovariate(1) for _ in range(ids_per_token)] for _ in range(tokens)]
    return ids, [round(share / sum(of_token), 4) for of_token in shares for share in of_token]


SOFT_PARTS = {
    "soft cap": {"logitSoftCap": 4.0},
    "logit scale": {"logitScale": 1 / 0.7},
    "z-loss": {"zLossCoefficient": 0.02},
    "weights": {"tokenWeights": [0.5, 2.0, 0.0, 1.5]},
    "entropy": {"statistics": "entropy"},
    "accumulate": {"accumulateGradient": True},
}
SOFT_EVERYTHING = {key: value for options in SOFT_PARTS.values() for key, value in options.items()}


def soft_targets():
    def of(
            name, tokens=4, vocabulary=5, ids_per_token=3, ids=None, probabilities=None, spread=2, is_masked=lambda *_: False,
            **more):
        """Whether a logit is masked depends on the ids of its token."""
        drawn, shares = top_ids(random.Random(name), tokens, vocabulary, ids_per_token)
        soft = SoftTargets(ids or drawn, probabilities or shares, ids_per_token)
        return masked(
            f"soft, {name}", tokens, vocabulary, lambda token, i, _: is_masked(token, i, soft.ids[token]), scale=spread,
            soft=soft, **more)

    yield of("3 of 5 ids")
    yield of("3x17, 5 ids", 3, 17, 5)
    yield of("1x260, 8 ids", 1, 260, 8)
    yield of("one id, which is a hard target", 5, 5, 1, probabilities=[1.0] * 5)
    yield of("one id in all", 2, 1, 1, probabilities=[1.0, 0.25])
    yield of("all ids", 3, 5, 5)
    yield of("no tokens", 0)
    yield of("less than 1 in all", 2, probabilities=[0.1, 0.2, 0.05] * 2)
    yield of("more than 1 in all", 2, probabilities=[1.0, 0.5, 2.25] * 2)
    yield of("tiny and large", 3, probabilities=[1e-30, 2e-35, 1e-30, 1e10, 1.0, 1e-10, 1.0, 1e-30, 0.0])
    yield of("repeated ids", 3, 7, 4, ids=[[2, 2, 5, 2], [0, 6, 0, 6], [3, 3, 3, 3]])
    yield of("q = 0", 3, probabilities=[0.0, 0.7, 0.3, 0.0, 0.0, 1.0, 0.25, 0.75, 0.0])
    for name, options in {"": {}, ", z-loss": SOFT_PARTS["z-loss"]}.items():
        yield of(f"all q = 0{name}", 2, probabilities=[0.0, 0.0, 0.0, 0.5, 0.25, 0.25], options=options)
    yield of(
        "unused places", ids=[[3, -100, 2], [-100, -100, 0], [4, 1, -100], [2, 4, 0]],
        probabilities=[0.5, 0.25, 0.25, NAN, INF, 1.0, 0.3, 0.6, -1.0, 0.25, 0.25, 0.5])
    ignored = {"ids": [[-100, -100, -100], [4, 0, 1], [-100, -100, -100], [-100, 3, -100]],
               "probabilities": [NAN, NAN, NAN, 0.5, 0.25, 0.25, 0.1, 0.2, 0.7, NAN, 0.9, NAN]}
    yield of("tokens without a used place are ignored", **ignored)
    yield of("all ignored", 2, ids=[[-100] * 3] * 2)
    yield with_values(of("ignored rows are not read", **ignored), nan=(0, 3, NAN), infinity=(2, 1, INF))
    yield of("padding id 0 is an unused place", ids=[[3, 0, 1], [0, 0, 0], [4, 1, 0], [2, 4, 3]], options={"ignoreIndex": 0})
    yield of("no ignore index", 2, options={"ignoreIndex": None})
    sure = of("sure", 3, ids=[[0, 1, 2], [4, 3, 2], [3, 2, 1]], probabilities=[1.0, 0.0, 0.0] * 3)
    for token, lead in enumerate((5, 17, 60)):
        sure.logits[token][sure.soft.ids[token][0]] = float(lead)
    yield sure
    learned = of("as the model says", 2, 5, 5, ids=[list(range(5))] * 2)
    learned.soft.probabilities = [float32(q) for q in torch.softmax(torch.tensor(learned.logits), dim=1).flatten().tolist()]
    yield learned
    yield of("uniform", 2, spread=0)
    yield of("far from 0", 2, spread=10, offset=-10_000)
    yield of("sum", options={"reduction": "sum"}, **ignored)
    yield of("denominator", options={"denominator": 2.5}, **ignored)
    yield of("coefficient negative", 2, coefficient=-2.0)
    for name, options in SOFT_PARTS.items():
        yield of(name, spread=3, options=options)
    yield with_values(
        of("rows of weight 0 are not read", options={"tokenWeights": [0.0, 2.0, 0.0, 1.5]}),
        nan=(0, 3, NAN), infinity=(2, 1, INF))
    yield of("everything", spread=3, options=SOFT_EVERYTHING, **ignored)
    yield of("everything, 1x260", 1, 260, 8, spread=3, options=SOFT_EVERYTHING | {"tokenWeights": [0.75]})
    yield of("accumulate, ignored rows stay", 4, options={"accumulateGradient": True}, **ignored)

    for name, options in {"": {}, ", everything": SOFT_EVERYTHING | {"tokenWeights": [0.5, 2.0]}}.items():
        yield of(f"others masked{name}", 2, 7, is_masked=lambda _, i, ids: i % 2 == 1 and i not in ids, options=options)
        yield of(f"all others masked{name}", 2, is_masked=lambda _, i, ids: i not in ids, options=options)
        yield of(
            f"masked where q = 0{name}", 2, probabilities=[0.0, 0.7, 0.3] * 2, is_masked=lambda _, i, ids: i == ids[0],
            options=options)
        yield of(f"one id masked{name}", 2, is_masked=lambda token, i, ids: token == 1 and i == ids[0], options=options)
        yield of(f"one of two rows all masked{name}", 2, is_masked=lambda token, *_: token == 1, options=options)
    yield of("unused place beside a mask", 1, ids=[[-100, 3, 4]], is_masked=lambda _, i, __: i == 0)
    yield with_values(of("NaN", 2), at=(0, 2, NAN))
    yield with_values(of("infinity", 2), at=(1, 2, INF))


# ---- inputs from hidden states -----------------------------------------------------------------------------------------------


def of_head(
        name, tokens, size, vocabulary, spread=2.0, has_bias=False, element="float", is_masked=lambda *_: False, shard=None,
        unread=(), **more):
    """Hidden states near 1, logits as far apart as spread, and a bias of −inf where is_masked(i); unread tokens hold NaN."""
    rng = random.Random(name)
    hidden = [[round(rng.gauss(0, 1), 3) for _ in range(size)] for _ in range(tokens)]
    for token in unread:
        hidden[token] = [NAN] * size
    weight = [[round(rng.gauss(0, spread / math.sqrt(size)), 3) for _ in range(size)] for _ in range(vocabulary)]
    bias = [-INF if is_masked(i) else round(rng.gauss(0, 1), 3) for i in range(vocabulary)] if has_bias else None
    targets = more.pop("targets", None) or [rng.randrange(vocabulary) for _ in range(tokens)]
    return Case(name, vocabulary, hidden, targets, head=Head(hidden, weight, bias, element, shard), **more)


def drawn_soft(tokens=4, vocabulary=5, ids_per_token=3):
    return SoftTargets(*top_ids(random.Random(vocabulary), tokens, vocabulary, ids_per_token), ids_per_token)


SMOOTHING, CAP, SCALE = {"labelSmoothing": 0.1}, {"logitSoftCap": 4.0}, {"logitScale": 1 / 0.7}
HEAD_PARTS = {
    "smoothing": SMOOTHING,
    "z-loss": {"zLossCoefficient": 0.02},
    "soft cap": CAP,
    "logit scale": SCALE,
    "weights": {"tokenWeights": [0.5, 2.0, 0.0, 1.5]},
    "probability": {"targetWeighting": "probability"},
    "statistics": {"statistics": "accuracy, entropy"},
    "accumulate": {"accumulateGradient": True},
}
HEAD_EVERYTHING = {key: value for options in HEAD_PARTS.values() for key, value in options.items()}
SOME_UNUSED = SoftTargets(
    [[3, -100, 3], [-100] * 3, [4, 1, -100], [2, 4, 0]], [0.5, NAN, 0.25, NAN, 1, 1, 0.0, 0.6, 1, 0.25, 0.25, 2], 3)


def hidden():
    def of(name, tokens=4, size=2, vocabulary=5, **more):
        return of_head(f"hidden, {name}", tokens, size, vocabulary, **more)

    yield of("4x2x5")
    yield of("1x1x1", 1, 1, 1)
    yield of("1x1x3", 1, 1, 3)
    yield of("3x2x1, bias", 3, 2, 1, has_bias=True)
    yield of("6x9x17, bias", 6, 9, 17, has_bias=True)
    yield of("2x12x9", 2, 12, 9)
    yield of("no tokens", 0, has_bias=True)
    yield of("bias", has_bias=True)
    yield of("weights 0", spread=0, has_bias=True)
    yield of("wide", spread=20, has_bias=True)
    far = of("far from 0", spread=10, has_bias=True)
    far.head.bias = [float32(x - 1000) for x in far.head.bias]
    far.__post_init__()
    yield far
    some_ignored = [4, -100, 0, -100]
    yield of("some ignored", targets=some_ignored, has_bias=True)
    yield of("all ignored", 2, targets=[-100] * 2, has_bias=True)
    yield of("ignored hidden states are not read", targets=some_ignored, has_bias=True, unread=[1, 3])
    yield of(
        "hidden states of weight 0 are not read", has_bias=True, unread=[0, 2], options={"tokenWeights": [0.0, 2.0, 0.0, 1.5]})
    yield of("weights all 0", 2, has_bias=True, options={"tokenWeights": [0.0, 0.0], "statistics": "accuracy, entropy"})
    yield of("padding id 0 ignored", targets=[0, 3, 0, 4], options={"ignoreIndex": 0})
    yield of("sum", targets=some_ignored, options={"reduction": "sum"})
    yield of("denominator", targets=some_ignored, has_bias=True, options={"denominator": 2.5})
    yield of("coefficient 0", 2, coefficient=0.0)
    yield of("coefficient negative", 2, coefficient=-2.0)
    for name, options in HEAD_PARTS.items():
        yield of(name, has_bias=True, options=options)
    yield of("p(1 − p)", options={"targetWeighting": "probabilityVariance"})
    yield of("p(1 − p), one id", 2, 2, 1, options={"targetWeighting": "probabilityVariance"})
    yield of("accumulate, no bias, some ignored", targets=some_ignored, options={"accumulateGradient": True})
    yield of("accumulate, all ignored", 2, targets=[-100] * 2, options={"accumulateGradient": True})
    yield of("everything", has_bias=True, options=HEAD_EVERYTHING, targets=[4, -100, 0, 3])
    yield of("everything, 1x1x260", 1, 1, 260, options=HEAD_EVERYTHING | {"tokenWeights": [0.75]})
    ties = of("accuracy, ties", 2, 2, 4, targets=[1, 2], options={"statistics": "accuracy, entropy"})
    ties.head.hidden, ties.head.weight = [[1.0, 2.0], [-1.0, 1.0]], [[1.0, 1.0], [3.0, 2.0], [3.0, 2.0], [-2.0, -3.0]]
    ties.__post_init__()
    yield ties

    for name, options in {"": {}, ", everything": HEAD_EVERYTHING}.items():
        def masked_of(what, *targets, **more):
            return of(f"{what}{name}", targets=list(targets), has_bias=True, options=options, **more)

        yield masked_of("every other id masked", 2, 0, 4, 2, is_masked=lambda i: i % 2 == 1)
        yield masked_of("all but the target masked", 2, 2, 2, 2, is_masked=lambda i: i != 2)
        yield masked_of("target masked", 2, 0, 3, 4, is_masked=lambda i: i == 4)
        yield masked_of("all masked", 2, 0, 4, 2, is_masked=lambda i: True)
        yield masked_of("NaN", 2, 0, 4, 2, unread=[1])

    yield of("soft", soft=drawn_soft())
    yield of("soft, 2x1x260", 2, 1, 260, soft=drawn_soft(2, 260, 8))
    yield of("soft, places unused, ids repeated", soft=SOME_UNUSED, has_bias=True, unread=[1])
    yield of("soft, one id, which is a hard target", 2, soft=SoftTargets([[3], [0]], [1.0, 1.0], 1))
    for name, options in SOFT_PARTS.items():
        yield of(f"soft, {name}", has_bias=True, options=options, soft=drawn_soft())
    yield of("soft, everything", has_bias=True, options=SOFT_EVERYTHING, soft=SOME_UNUSED)
    yield of("soft, masked where q = 0", soft=SOME_UNUSED, has_bias=True, is_masked=lambda i: i == 4)
    yield of("soft, masked", soft=SOME_UNUSED, has_bias=True, is_masked=lambda i: i == 1)


def of_hidden_products(
        name, tokens=4, size=2, vocabulary=5, by=("loss", "logSumExp", "entropy"), output_gradients=None, **more):
    case = of_head(f"hidden backward, {name}", tokens, size, vocabulary, **more)
    rng = random.Random(f"{case.name}, output gradients")
    case.output_gradients = {output: [round(rng.gauss(0, 1), 3) for _ in range(tokens)] for output in by}
    case.output_gradients.update(output_gradients or {})
    return case


def shards_of(name, bounds, tokens=4, size=2, options=None, **more):
    """The parts of one vocabulary."""
    for start, end in zip(bounds, bounds[1:]):
        case = of_hidden_products(name, tokens, size, bounds[-1], options=(options or {}) | {"vocabularyStart": start}, **more)
        case.name += f", ids {start} to {end - 1}"
        case.head.shard = start, end
        case.initial_gradient = None
        case.__post_init__()
        yield case


def hidden_backward():
    of = of_hidden_products
    for output in "loss", "logSumExp", "entropy":
        yield of(output, by=(output,), has_bias=True)
    yield of("all")
    yield of("1x1x1", 1, 1, 1, has_bias=True)
    yield of("6x9x17", 6, 9, 17, has_bias=True)
    yield of("no tokens", 0)
    everything = CAP | SMOOTHING | SCALE | {"accumulateGradient": True}
    for name, options in {"soft cap": CAP, "smoothing": SMOOTHING, "logit scale": SCALE, "everything": everything}.items():
        yield of(name, has_bias=True, options=options)
    yield of("everything, 1x1x260", 1, 1, 260, options=everything)
    some_ignored = [-100, 3, 4, -100]
    yield of("accumulate, no bias", options={"accumulateGradient": True}, targets=some_ignored)
    yield of(
        "nothing of ignored tokens is read", targets=some_ignored, has_bias=True, unread=[0, 3],
        output_gradients={"loss": [NAN, 1.5, -0.5, INF], "logSumExp": [INF, 0.25, 2.0, NAN], "entropy": [NAN, -1.0, 0.01, NAN]})
    yield of(
        "hidden states whose gradients are 0 are not read", has_bias=True, unread=[0, 3],
        output_gradients={"loss": [0.0, 1.5, -0.5, -0.0], "logSumExp": [0.0, 0.0, 2.0, 0.0], "entropy": [0.0, 0.25, 0.0, 0.0]})
    yield of(
        "each alone by its row", has_bias=True,
        output_gradients={"loss": [1.0, 0.0, 0.0, 0.0], "logSumExp": [0.0, 1.0, 0.0, 0.0], "entropy": [0.0, 0.0, 1.0, 0.0]})
    for name, options in {"": {}, ", everything": everything}.items():
        yield of(
            f"every other id masked{name}", targets=[2, 0, 4, 2], has_bias=True, is_masked=lambda i: i % 2 == 1, options=options)
        yield of(f"target masked{name}", targets=[2, 0, 3, 4], has_bias=True, is_masked=lambda i: i == 4, options=options)
        yield of(f"NaN{name}", has_bias=True, unread=[1], options=options)

    targets = [6, 0, 2, 3]
    yield from shards_of("shards", [0, 3, 4, 7], targets=targets, has_bias=True)
    yield from shards_of("shards, no bias, some ignored", [0, 3, 7], targets=[6, -100, 3, 2])
    yield from shards_of("shards, loss", [0, 3, 7], targets=targets, by=("loss",))
    yield from shards_of("shards, logSumExp", [0, 3, 7], by=("logSumExp",))
    yield from shards_of("shards, entropy", [0, 3, 7], by=("entropy",), has_bias=True)
    yield from shards_of("shards, everything", [0, 4, 7], has_bias=True, options=CAP | SCALE | {"accumulateGradient": True})
    yield from shards_of("shards, some ids masked", [0, 3, 7], targets=targets, has_bias=True, is_masked=lambda i: i % 3 == 1)
    yield from shards_of("shards, one all masked", [0, 3, 7], targets=[6, 0, 5, 3], has_bias=True, is_masked=lambda i: i < 3)
    yield from shards_of("shards, 260 and 20 ids", [0, 260, 280], 2, 1, targets=[270, 7])


def of_element(element):
    def of(name, tokens=4, size=2, vocabulary=5, **more):
        return of_head(f"{element}, {name}", tokens, size, vocabulary, element=element, **more)

    some_ignored = [4, -100, 0, 3]
    yield of("4x2x5")
    yield of("bias", has_bias=True, targets=some_ignored)
    yield of("3x9x5, bias", 3, 9, 5, has_bias=True)
    yield of("1x1x260", 1, 1, 260)
    yield of("everything", has_bias=True, options=HEAD_EVERYTHING, targets=some_ignored)
    yield of("p(1 − p), statistics", options={"targetWeighting": "probabilityVariance"} | HEAD_PARTS["statistics"])
    yield of("every other id masked", has_bias=True, targets=[2, 0, 4, 2], is_masked=lambda i: i % 2 == 1)
    yield of("target masked", has_bias=True, targets=[2, 0, 3, 4], is_masked=lambda i: i == 4)
    yield of("ignored hidden states are not read", has_bias=True, targets=some_ignored, unread=[1])
    yield of("soft", soft=drawn_soft())
    yield of("soft, everything", has_bias=True, options=SOFT_EVERYTHING, soft=SOME_UNUSED)
    yield of("small gradients", coefficient=1e-4)


def products_of_element(element):
    def of(name, *shape, **more):
        return of_hidden_products(f"{element}, {name}", *shape, element=element, **more)

    yield of("all")
    yield of("3x9x5, bias", 3, 9, 5, has_bias=True)
    yield of(
        "everything", has_bias=True, options=CAP | SMOOTHING | SCALE | {"accumulateGradient": True}, targets=[4, -100, 0, 3])
    yield of("every other id masked", has_bias=True, targets=[2, 0, 4, 2], is_masked=lambda i: i % 2 == 1)
    yield from shards_of(
        f"{element}, shards", [0, 3, 7], targets=[6, 0, 2, -100], has_bias=True, options={"logitScale": 0.5}, element=element)


def hidden_half():
    yield from of_element("half")


def hidden_bfloat16():
    yield from of_element("bfloat16")


def hidden_backward_half():
    yield from products_of_element("half")


def hidden_backward_bfloat16():
    yield from products_of_element("bfloat16")


FAMILIES = [
    seed, shapes, magnitudes, target_places, coefficients, masks, not_numbers, ignored, reductions, smoothing, z_loss, soft_cap,
    token_weights, shift, accumulate, combinations, logit_scale, backward, target_weighting, statistics, soft_targets, hidden,
    hidden_half, hidden_bfloat16, hidden_backward, hidden_backward_half, hidden_backward_bfloat16,
]


# ---- files -------------------------------------------------------------------------------------------------------------------


def shortest_float32(x):
    """The fewest digits that read back as this float32."""
    return repr(next(y for digits in range(1, 10) if float32(y := float(f"{x:.{digits}g}")) == x))


def number(x, shortest=repr):
    if isinstance(x, float) and not math.isfinite(x):
        return '"NaN"' if math.isnan(x) else '"Infinity"' if x > 0 else '"-Infinity"'
    return "null" if x is None else shortest(x)


def array(values, shortest=repr):
    return "[" + ", ".join(number(x, shortest) for x in values) + "]"


def write_case(case):
    is_backward = case.output_gradients is not None
    values = expected_of_backward(case) if is_backward else expected(case)
    fields = {
        "name": json.dumps(case.name),
        **({} if is_backward else {"rlLoss": number(case.rl_loss), "ptxCoefficient": number(case.coefficient)}),
        "vocabularySize": number(len(case.head.weight[case.head.ids]) if case.head else case.vocabulary),
        "options": json.dumps({name: value for name, value in case.options.items() if name != "tokenWeights"}),
        **({"tokenWeights": array(case.options["tokenWeights"])} if "tokenWeights" in case.options else {}),
        **(write_soft_targets(case.soft) if case.soft else {"targets": array(case.targets)}),
        **({} if case.head else {"logits": array((x for row in case.logits for x in row), shortest_float32)}),
        **({"sequenceLength": number(case.sequence)} if case.sequence else {}),
        **({"initialGradient": array(case.initial_gradient, shortest_float32)}
           if case.initial_gradient is not None and not case.head else {}),
        **({"head": write_head(case, values)} if case.head else {}),
        **({"outputGradients": write_output_gradients(case)} if is_backward
           else {"seedTotal": number(seed_total(case, values["total"]))}),
        **written(values),
    }
    return "  {\n" + ",\n".join(f'    "{name}": {text}' for name, text in fields.items()) + "\n  }"


def written(values):
    return {name: array(value) if isinstance(value, list) else number(value) for name, value in values.items()}


def write_soft_targets(soft):
    return {
        "idsPerToken": number(soft.ids_per_token),
        "ids": array(i for ids in soft.ids for i in ids),
        "probabilities": array(soft.probabilities, shortest_float32),
    }


def write_head(case, values):
    """Takes the gradients out of the values."""
    head = case.head
    of_weight = len(head.weight[head.ids]) * head.size
    fields = {
        "hiddenSize": number(head.size),
        **({"element": json.dumps(head.element)} if head.element != "float" else {}),
        "hidden": array((x for row in head.hidden for x in row), shortest_float32),
        "weight": array((x for row in head.weight[head.ids] for x in row), shortest_float32),
        **({"bias": array(head.bias[head.ids], shortest_float32)} if head.bias else {}),
        **({"initialWeightGradient": array(case.initial_gradient[:of_weight], shortest_float32),
            **({"initialBiasGradient": array(case.initial_gradient[of_weight:], shortest_float32)} if head.bias else {})}
           if case.initial_gradient else {}),
        **written({name: values.pop(name) for name in ("hiddenGradient", "weightGradient", "biasGradient") if name in values}),
    }
    return "{\n" + ",\n".join(f'      "{name}": {text}' for name, text in fields.items()) + "\n    }"


def write_output_gradients(case):
    return "{" + ", ".join(f'"{output}": {array(gradients)}' for output, gradients in case.output_gradients.items()) + "}"


def seed_total(case, total):
    """The definition's total, which must agree with PyTorch's before either judges anything else."""
    if not case.seed_accepts:
        return None
    result = ptx_loss(case.rl_loss, case.logits, case.targets, case.coefficient)
    assert result == round(total, 6) or (math.isnan(result) and math.isnan(total)), f"{case.name}: {result} and {total}"
    return result


def main():
    folder = pathlib.Path(__file__).parent
    names = set()
    for family in FAMILIES:
        cases = list(family())
        for case in cases:
            assert case.name not in names, f"two cases are named {case.name}"
            names.add(case.name)
        path = folder / f"{family.__name__.replace('_', '-')}.json"
        path.write_text("[\n" + ",\n".join(map(write_case, cases)) + "\n]\n", encoding="utf-8", newline="\n")
        print(f"{path.name}: {len(cases)} cases, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
