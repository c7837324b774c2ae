"""PyTorch with the whole step, Adam written out, as one compiled graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks.networks import LEARNING_RATE, Network, Task
from benchmarks.peers import Run
from benchmarks.peers.torch_eager import Epoch, handed_over, prepare_threads, shuffled

Tensors = list[torch.Tensor]
OPTIONS = {"cpp_wrapper": True, "max_autotune": True}
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": functional.gelu}


def training(task: Task) -> Run:
    return _on_classes(task, shuffled(task))


def single(task: Task) -> Run:
    return _on_classes(task, handed_over(task))


def _on_classes(task: Task, epoch: Epoch) -> Run:
    """Return the run of an epoch that is handed what makes a step, and returns the sum of all losses."""
    prepare_threads(task)
    network = task.network

    def loss_of(weights: Tensors, x: torch.Tensor, y: torch.Tensor, training: bool = True) -> torch.Tensor:
        return functional.cross_entropy(forward(network, weights, x, training), y)

    state, compiled = compiled_step(task, loss_of)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        compiled(*state, x, y)
        return state[-1]

    x, y = map(torch.from_numpy, task.data())
    return run_of(lambda: epoch(step), lambda: loss_of(state[0], x, y, training=False))


def prediction(task: Task) -> Run:
    prepare_threads(task)
    x, weights = task.data()[0], tensors(task)
    predict = torch.compile(
        lambda x: forward(task.network, weights, x, False), fullgraph=True, options=OPTIONS, dynamic=False
    )

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return predict(torch.from_numpy(x))

    def go(calls: int) -> None:
        for _ in range(calls):
            call().numpy()
        torch.compiler.set_stance(skip_guard_eval_unsafe=True)

    return Run(go, lambda: float(call().mean()))


def run_of(epoch: Callable[[], None], loss: Callable[[], torch.Tensor]) -> Run:
    """Return the run of something that makes steps; all are alike, so that later ones need no guards."""

    def go(epochs: int) -> None:
        with torch.no_grad():
            for _ in range(epochs):
                epoch()
        torch.compiler.set_stance(skip_guard_eval_unsafe=True)

    def outcome() -> float:
        return float(loss().detach())

    return Run(go, outcome)


def tensors(task: Task) -> Tensors:
    """Return for each layer its weight, its bias and, before an activation, LayerNorm's two."""
    found: Tensors = []
    pairs = task.weights()
    for number, (weight, bias) in enumerate(pairs):
        found += [torch.from_numpy(weight), torch.from_numpy(bias)]
        if task.network.normalized and number < len(pairs) - 1:
            found += [torch.ones_like(found[-1]), torch.zeros_like(found[-1])]
    return found


def forward(network: Network, weights: Tensors, x: torch.Tensor, training: bool) -> torch.Tensor:
    """Return the network's output."""
    each = 4 if network.normalized else 2
    for place in range(0, len(weights) - 2, each):
        weight, bias, *norm = weights[place : place + each]
        x = torch.addmm(bias, x, weight)
        if norm:
            x = functional.layer_norm(x, x.shape[1:], *norm)
        x = ACTIVATIONS[network.activation](x)
        if network.dropout and training:
            x = functional.dropout(x, network.dropout, training=True)
    return torch.addmm(weights[-1], x, weights[-2])


def compiled_step(
    task: Task, loss_of: Callable[..., torch.Tensor]
) -> tuple[tuple[Tensors, Tensors, Tensors, torch.Tensor, torch.Tensor], Callable[..., None]]:
    """Return Adam's state and a compiled step (Kingma and Ba, 2015) that changes it in place."""
    weights = tensors(task)
    m = [torch.zeros_like(weight) for weight in weights]
    v = [torch.zeros_like(weight) for weight in weights]
    total = torch.zeros((), dtype=weights[0].dtype)
    t = torch.zeros(1, dtype=weights[0].dtype)  # without an axis, in float64, it is read as it was before

    def step(
        weights: Tensors, m: Tensors, v: Tensors, t: torch.Tensor, total: torch.Tensor, *data: torch.Tensor
    ) -> None:
        gradients, loss = torch.func.grad_and_value(loss_of)(weights, *data)
        total.add_(loss)
        t.add_(1)
        unbias_m, unbias_v = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        for w, m_w, v_w, g in zip(weights, m, v, gradients, strict=True):
            m_w.mul_(0.9).add_(0.1 * g)
            v_w.mul_(0.999).add_(0.001 * g * g)
            w.sub_(LEARNING_RATE * (m_w * unbias_m) / (torch.sqrt(v_w * unbias_v) + 1e-8))

    return (weights, m, v, t, total), torch.compile(step, fullgraph=True, options=OPTIONS)
