"""PyTorch with the whole step, Adam written out, as one compiled graph."""

from __future__ import annotations

import torch
from torch.nn import functional

from benchmarks.networks import LEARNING_RATE, ROWS, Task
from benchmarks.peers import Train

Tensors = list[torch.Tensor]


def prepare(task: Task) -> Train:
    torch.set_num_threads(task.threads)
    torch.set_flush_denormal(True)
    x, y = map(torch.from_numpy, task.data())
    weights = [torch.from_numpy(array) for pair in task.weights() for array in pair]
    m = [torch.zeros_like(weight) for weight in weights]
    v = [torch.zeros_like(weight) for weight in weights]
    t = torch.zeros((), dtype=x.dtype)
    batch = task.network.batch
    step = torch.compile(_step, fullgraph=True, options={"cpp_wrapper": True, "max_autotune": True})

    def epoch() -> torch.Tensor:
        order = torch.randperm(ROWS)
        total = torch.zeros((), dtype=x.dtype)
        for rows, classes in zip(x[order].split(batch), y[order].split(batch), strict=True):
            step(weights, m, v, t, total, rows, classes)
        return total

    def train(epochs: int) -> None:
        with torch.no_grad():
            for _ in range(epochs):
                epoch()

    train(1)
    torch.compiler.set_stance(skip_guard_eval_unsafe=True)  # all steps are alike, so nothing needs a check

    return train


def _loss(weights: Tensors, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    for number in range(0, len(weights), 2):
        x = torch.addmm(weights[number + 1], x, weights[number])
        if number + 2 < len(weights):
            x = torch.relu(x)
    return functional.cross_entropy(x, y)


def _step(  # noqa: PLR0917  (one graph has one flat list of inputs)
    weights: Tensors,
    m: Tensors,
    v: Tensors,
    t: torch.Tensor,
    total: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
) -> None:
    """Adam (Kingma and Ba, 2015), written out; what it is given is changed in place."""
    gradients, loss = torch.func.grad_and_value(_loss)(weights, x, y)
    total.add_(loss)
    t.add_(1)
    unbias_m, unbias_v = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    for w, m_w, v_w, g in zip(weights, m, v, gradients, strict=True):
        m_w.mul_(0.9).add_(0.1 * g)
        v_w.mul_(0.999).add_(0.001 * g * g)
        w.sub_(LEARNING_RATE * (m_w * unbias_m) / (torch.sqrt(v_w * unbias_v) + 1e-8))
