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

Fields that say nothing are left out: tokenWeights where each token counts once, sequenceLength where all targets are one
sequence, initialGradient where gradients do not accumulate, zLoss where its coefficient is 0 (it is 0 then).
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
    `tokenWeights` beside them, which becomes a field of its own.
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

    def __post_init__(self):
        self.logits = [[float32(x) for x in row] for row in self.logits]
        assert len(self.logits) == len(self.targets) and all(len(row) == self.vocabulary for row in self.logits), self.name
        unknown = self.options.keys() - {
            "ignoreIndex", "reduction", "denominator", "tokenWeights", "shiftTargets", "labelSmoothing", "zLossCoefficient",
            "logitSoftCap", "logitScale", "accumulateGradient"}
        assert not unknown, f"{self.name}: expected() does not know {unknown}"
        assert len(self.weights) == len(self.targets), self.name
        assert self.sequence == 0 or len(self.targets) % self.sequence == 0, self.name
        if self.options.get("accumulateGradient"):
            rng = random.Random(f"{self.name}, initial gradient")
            self.initial_gradient = self.initial_gradient or [
                float32(round(rng.gauss(0, 0.1), 3)) for row in self.logits for _ in row]

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
        return not any(self.ignored) and not self.options.keys() - {"ignoreIndex"}


def expected(case):
    """PyTorch's answer in float64, with the conventions above."""
    zero, nan = torch.tensor(0.0, dtype=torch.float64), torch.tensor(NAN, dtype=torch.float64)
    logits = torch.tensor(case.logits, dtype=torch.float64).reshape(-1, case.vocabulary).requires_grad_()
    transformed = transform(logits, case.options)
    counts = torch.tensor([not ignored for ignored in case.ignored], dtype=torch.bool)
    targets = torch.tensor([target or 0 for target in case.of_rows(case.targets)], dtype=torch.long)
    weights = torch.tensor([weight or 0 for weight in case.of_rows(case.weights)], dtype=torch.float64).where(counts, zero)
    adds = weights > 0
    smoothing = case.options.get("labelSmoothing", 0.0)
    z_loss_coefficient = case.options.get("zLossCoefficient", 0)

    read = transformed.where(adds[:, None], zero)
    divisor = 1 if case.options.get("reduction") == "sum" else case.options.get("denominator", weights.sum().item() or 1)
    losses = token_losses(read, targets.where(adds, torch.tensor(-100)), smoothing)
    language_model_loss = text_loss = (weights * losses).sum() / divisor
    if z_loss_coefficient > 0:
        z_loss = (weights * torch.logsumexp(read, dim=1) ** 2).sum() / divisor
        text_loss = language_model_loss + z_loss_coefficient * z_loss
    total = case.rl_loss + case.coefficient * text_loss
    (gradient,) = torch.autograd.grad(total, logits)

    with torch.no_grad():
        read = transformed.where(counts[:, None], zero)
        broken = (read.isnan() | (read == INF)).any(dim=1)
        no_softmax = broken | (read == -INF).all(dim=1)
        log_sum_exp = torch.logsumexp(read, dim=1).where(~broken, nan)
        entropy = torch.special.entr(torch.log_softmax(read, dim=1).exp()).sum(dim=1)
        gradient = gradient.where(~(no_softmax & adds)[:, None], nan).flatten()
        if case.initial_gradient:
            gradient = torch.tensor(case.initial_gradient, dtype=torch.float64) + gradient
        for row, transformed_row in zip(case.logits, transformed.tolist()):
            assert arg_max(row) == arg_max(transformed_row), f"{case.name}: the cap makes ties, which less precise ones may break"
        return {
            "tokenCount": int(counts.sum()),
            "total": total.item() if adds.any() else case.rl_loss,
            "languageModelLoss": language_model_loss.item(),
            **({"zLoss": z_loss.item()} if z_loss_coefficient > 0 else {}),
            "tokenLoss": token_losses(read, targets.where(counts, torch.tensor(-100)), smoothing).tolist(),
            "logSumExp": log_sum_exp.where(counts, zero).tolist(),
            "entropy": entropy.where(counts, zero).tolist(),
            "argMax": [-1 if ignored else arg_max(row) for row, ignored in zip(case.logits, case.ignored)],
            "gradient": gradient.tolist(),
        }


def expected_of_backward(case):
    """PyTorch's vector-Jacobian product in float64, and the outputs it starts from."""
    zero, nan = torch.tensor(0.0, dtype=torch.float64), torch.tensor(NAN, dtype=torch.float64)
    logits = torch.tensor(case.logits, dtype=torch.float64).reshape(-1, case.vocabulary).requires_grad_()
    transformed = transform(logits, case.options)
    counts = torch.tensor([not ignored for ignored in case.ignored], dtype=torch.bool)
    targets = torch.tensor([target or 0 for target in case.of_rows(case.targets)], dtype=torch.long)
    of_output = {
        name: torch.tensor(gradients, dtype=torch.float64).where(counts, zero)
        for name, gradients in case.output_gradients.items()}
    is_read = sum(gradients != 0 for gradients in of_output.values()) > 0

    def outputs(read, counted):
        log_probabilities = torch.log_softmax(read, dim=1)
        information = log_probabilities.where(read != -INF, zero)  # 0·log 0 = 0
        return {
            "loss": token_losses(read, targets.where(counted, torch.tensor(-100)), case.options.get("labelSmoothing", 0.0)),
            "logSumExp": torch.logsumexp(read, dim=1),
            "entropy": -(log_probabilities.exp() * information).sum(dim=1),
        }

    values = outputs(transformed.where(is_read[:, None], zero), is_read)
    # A gradient of 0 takes no part: its product with a loss of +inf would be NaN.
    product = sum((of_output[name] * values[name].where(of_output[name] != 0, zero)).sum() for name in of_output)
    (gradient,) = torch.autograd.grad(product, logits)

    with torch.no_grad():
        broken = (transformed.isnan() | (transformed == INF)).any(dim=1)
        no_softmax = broken | (transformed == -INF).all(dim=1)
        gradient = gradient.where(is_read[:, None], zero).where(~(no_softmax & is_read)[:, None], nan).flatten()
        if case.initial_gradient:
            gradient = torch.tensor(case.initial_gradient, dtype=torch.float64) + gradient
        values = outputs(transformed.where(counts[:, None], zero), counts)
        return {
            "logSumExp": values["logSumExp"].where(~broken, nan).where(counts, zero).tolist(),
            "entropy": values["entropy"].where(~no_softmax, nan).where(counts, zero).tolist(),
            "gradient": gradient.tolist(),
        }


def transform(logits, options):
    return options.get("logitScale", 1) * soft_capped(logits, options.get("logitSoftCap", 0))


def soft_capped(logits, cap):
    return torch.where(logits.isinf(), logits, cap * torch.tanh(logits / cap)) if cap > 0 else logits


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


FAMILIES = [
    seed, shapes, magnitudes, target_places, coefficients, masks, not_numbers, ignored, reductions, smoothing, z_loss, soft_cap,
    token_weights, shift, accumulate, combinations, logit_scale, backward,
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
        "vocabularySize": number(case.vocabulary),
        "options": json.dumps({name: value for name, value in case.options.items() if name != "tokenWeights"}),
        **({"tokenWeights": array(case.options["tokenWeights"])} if "tokenWeights" in case.options else {}),
        "targets": array(case.targets),
        "logits": array((x for row in case.logits for x in row), shortest_float32),
        **({"sequenceLength": number(case.sequence)} if case.sequence else {}),
        **({"initialGradient": array(case.initial_gradient, shortest_float32)} if case.initial_gradient is not None else {}),
        **({"outputGradients": write_output_gradients(case)} if is_backward
           else {"seedTotal": number(seed_total(case, values["total"]))}),
        **{name: array(value) if isinstance(value, list) else number(value) for name, value in values.items()},
    }
    return "  {\n" + ",\n".join(f'    "{name}": {text}' for name, text in fields.items()) + "\n  }"


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
