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
with the gradient softmax − onehot, a row of only −inf gives NaN.
"""

import json
import math
import os
import pathlib
import random
import struct
from dataclasses import dataclass, field

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # the same digits whatever vectors the machine has
import torch  # noqa: E402

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
    """One input. `options` holds what differs from PtxLossOptions.Default, under the names of its properties."""

    name: str
    vocabulary: int
    logits: list  # rows
    targets: list
    coefficient: float = 0.1
    rl_loss: float = 0.5
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        self.logits = [[float32(x) for x in row] for row in self.logits]
        assert len(self.logits) == len(self.targets) and all(len(row) == self.vocabulary for row in self.logits), self.name
        unknown = self.options.keys() - {"ignoreIndex", "reduction", "denominator"}
        assert not unknown, f"{self.name}: expected() does not know {unknown}"

    @property
    def ignored(self):
        index = self.options.get("ignoreIndex", -100)
        return [index is not None and target == index for target in self.targets]

    @property
    def seed_accepts(self):
        return not any(self.ignored) and not self.options.keys() - {"ignoreIndex"}


def expected(case):
    """PyTorch's answer in float64, with the conventions above."""
    logits = torch.tensor(case.logits, dtype=torch.float64).reshape(-1, case.vocabulary).requires_grad_()
    counts = torch.tensor([not ignored for ignored in case.ignored], dtype=torch.bool)
    targets = torch.tensor(case.targets, dtype=torch.long).where(counts, torch.tensor(-100))
    read = logits.where(counts[:, None], torch.zeros((), dtype=torch.float64))
    token_count = int(counts.sum())

    token_loss = torch.nn.functional.cross_entropy(read, targets, ignore_index=-100, reduction="none")
    divisor = 1 if case.options.get("reduction") == "sum" else case.options.get("denominator", max(token_count, 1))
    language_model_loss = token_loss.sum() / divisor
    total = case.rl_loss + case.coefficient * language_model_loss
    (gradient,) = torch.autograd.grad(total, logits)

    with torch.no_grad():
        broken = (read.isnan() | (read == INF)).any(dim=1)
        log_sum_exp = torch.logsumexp(read, dim=1).where(~broken, torch.tensor(NAN, dtype=torch.float64))
        entropy = torch.special.entr(torch.log_softmax(read, dim=1).exp()).sum(dim=1)
        zero = torch.zeros((), dtype=torch.float64)
        return {
            "tokenCount": token_count,
            "total": total.item() if token_count > 0 else case.rl_loss,
            "languageModelLoss": language_model_loss.item(),
            "tokenLoss": token_loss.tolist(),
            "logSumExp": log_sum_exp.where(counts, zero).tolist(),
            "entropy": entropy.where(counts, zero).tolist(),
            "argMax": [-1 if ignored else arg_max(row) for row, ignored in zip(case.logits, case.ignored)],
            "gradient": gradient.flatten().tolist(),
        }


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
    yield normal("denominator has no effect on sum", 4, 31, options={"reduction": "sum", "denominator": 8.0})
    yield masked(
        "denominator, target masked", 2, 31, lambda token, i, target: token == 0 and i == target, options={"denominator": 3.0})


FAMILIES = [seed, shapes, magnitudes, target_places, coefficients, masks, not_numbers, ignored, reductions]


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
    values = expected(case)
    fields = {
        "name": json.dumps(case.name),
        "rlLoss": number(case.rl_loss),
        "ptxCoefficient": number(case.coefficient),
        "vocabularySize": number(case.vocabulary),
        "options": json.dumps(case.options),
        "targets": array(case.targets),
        "logits": array((x for row in case.logits for x in row), shortest_float32),
        "seedTotal": number(seed_total(case, values["total"])),
        **{name: array(value) if isinstance(value, list) else number(value) for name, value in values.items()},
    }
    return "  {\n" + ",\n".join(f'    "{name}": {text}' for name, text in fields.items()) + "\n  }"


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
