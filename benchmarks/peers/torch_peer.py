"""PyTorch as a peer; PeerProcess.cs has the protocol. As users call it, and with every output allocated ahead."""

import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

folder, tokens, vocabulary, threads = Path(sys.argv[1]), *map(int, sys.argv[2:5])
coefficient = float(sys.argv[5])
torch.set_num_threads(threads)

logits = torch.empty(tokens, vocabulary)
logits.copy_(torch.from_numpy(np.fromfile(folder / "logits.f32", np.float32)).view(tokens, vocabulary))
targets = torch.from_numpy(np.fromfile(folder / "targets.i64", np.int64))
column, scale = targets.unsqueeze(1), coefficient / tokens

log_probabilities, gradient = torch.empty_like(logits), torch.empty_like(logits)
log_sum_exp, target_logits = torch.empty(tokens), torch.empty(tokens, 1)
upstream = torch.zeros_like(logits).scatter_(1, column, -scale)  # d(total) / d(log-probabilities)
leaf = logits.detach().requires_grad_()
rl_loss = torch.tensor(0.5)


@torch.no_grad()
def cross_entropy():
    return F.cross_entropy(logits, targets)


@torch.no_grad()
def log_sum_exp_out():
    torch.logsumexp(logits, 1, out=log_sum_exp)
    torch.gather(logits, 1, column, out=target_logits)
    return (log_sum_exp - target_logits.squeeze(1)).mean()


@torch.no_grad()
def log_softmax_out():
    torch.ops.aten._log_softmax.out(logits, 1, False, out=log_probabilities)
    torch.gather(log_probabilities, 1, column, out=target_logits)
    return -target_logits.mean()


def backward():
    leaf.grad = None
    loss = F.cross_entropy(leaf, targets)
    (rl_loss + coefficient * loss).backward()
    return loss, leaf.grad


@torch.no_grad()
def log_softmax_backward_out():
    loss = log_softmax_out()
    torch.ops.aten._log_softmax_backward_data.out(upstream, log_probabilities, 1, torch.float32, out=gradient)
    return loss, gradient


@torch.no_grad()
def softmax_out():
    torch.ops.aten._softmax.out(logits, 1, False, out=gradient)
    torch.gather(gradient, 1, column, out=target_logits)
    gradient.mul_(scale).scatter_add_(1, column, torch.full_like(target_logits, -scale))
    return -target_logits.log().mean(), gradient


contenders = [
    ("Forward", "F.cross_entropy", cross_entropy),
    ("Forward", "logsumexp(out=), gather", log_sum_exp_out),
    ("Forward", "log_softmax(out=), gather", log_softmax_out),
    ("Gradient", "F.cross_entropy, backward()", backward),
    ("Gradient", "log_softmax(out=), its backward(out=)", log_softmax_backward_out),
    ("Gradient", "softmax(out=), mul_, scatter_add_", softmax_out),
]
capability = next(line.split(":")[1].strip() for line in torch.__config__.show().splitlines() if "CPU capability" in line)
for work, name, run in contenders:
    result = run()
    values = [result] if work == "Forward" else [result[0], (result[1] * logits).sum(dtype=torch.float64)]
    print(work, f"PyTorch {torch.__version__} ({capability})", name, *(value.item() for value in values), sep="\t")
print("ready", flush=True)

for line in sys.stdin:
    run = contenders[int(line)][2]
    run()  # wakes threads and caches
    start = time.perf_counter()
    run()
    print(1e3 * (time.perf_counter() - start), flush=True)
