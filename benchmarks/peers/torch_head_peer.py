"""PyTorch as a peer in the loss from hidden states; PeerProcess.cs has the protocol. As users call it."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

folder, tokens, width, vocabulary, threads = Path(sys.argv[1]), *map(int, sys.argv[2:6])
coefficient = float(sys.argv[6])
torch.set_num_threads(threads)
rl_loss = torch.tensor(0.5)


def read(name, rows):
    matrix = torch.empty(rows, width)
    matrix.numpy().reshape(-1)[:] = np.memmap(folder / name, np.float32, "r")
    return matrix.requires_grad_()


class Head:
    """A forward and a gradient on one shape."""

    def __init__(self, hidden, weight, targets):
        self.hidden, self.weight, self.targets = hidden, weight, targets

    @torch.no_grad()
    def forward(self):
        return F.cross_entropy(F.linear(self.hidden, self.weight), self.targets)

    def gradient(self):
        self.hidden.grad = self.weight.grad = None
        loss = F.cross_entropy(F.linear(self.hidden, self.weight), self.targets)
        (rl_loss + coefficient * loss).backward()
        return loss


def memory(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))


def peak_above(start, run):
    """As ProcessMemory.PeakAbove."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    result = run()
    return result, memory("VmHWM:") - start


def blas():
    """The library that multiplies: Debian's PyTorch takes any that is installed."""
    if torch.backends.mkl.is_available():
        return "MKL"
    with open("/proc/self/maps") as maps:
        loaded = maps.read()
    return next((name for file, name in [("openblas", "OpenBLAS"), ("blis", "BLIS"), ("mkl", "MKL")] if file in loaded), "slow BLAS")


# Loads code and starts threads, in next to no memory.
small = Head(torch.randn(64, 64, requires_grad=True), torch.randn(1000, 64, requires_grad=True), torch.zeros(64, dtype=torch.int64))
small.forward()
small.gradient()

head = Head(read("hidden.f32", tokens), read("weight.f32", vocabulary), torch.from_numpy(np.fromfile(folder / "targets.i64", np.int64)))
measurable = os.path.exists("/proc/self/clear_refs")
start = memory("VmRSS:") if measurable else 0
capability = next(
    (line.split(":")[1].strip() for line in torch.__config__.show().splitlines() if "CPU capability" in line), "")
by = f"PyTorch {torch.__version__} ({capability}, {blas()})"


def announce(work, name, run, answers, gradient_bytes):
    """Gradients are made anew in each run: none is there at the start, and they do not count as extra."""
    loss, extra = peak_above(start, run) if measurable else (run(), None)
    values = [loss.item(), *(value.item() for value in answers())]
    print(work, by, name, *values, *([] if extra is None else [extra - gradient_bytes]), sep="\t")


def dot(parameter):
    return sum((g.double() * x.double()).sum() for g, x in zip(parameter.grad, parameter.detach()))


announce("Forward", "F.linear, F.cross_entropy", head.forward, lambda: [], 0)
announce("Gradient", "F.linear, F.cross_entropy, backward()", head.gradient, lambda: [dot(head.hidden), dot(head.weight)],
         4 * (head.hidden.numel() + head.weight.numel()))
print("ready", flush=True)

contenders = [head.forward, head.gradient]


def milliseconds(run, calls):
    began = time.perf_counter()
    for _ in range(calls):
        run()
    return 1e3 * (time.perf_counter() - began)


for line in sys.stdin:
    run = contenders[int(line)]
    waking = milliseconds(run, 1)  # threads and caches
    calls = max(1, int(2 / waking))
    print(milliseconds(run, calls) / calls, flush=True)
