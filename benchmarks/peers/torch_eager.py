"""PyTorch as it is mostly written, with the data in memory and the fused optimizer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.networks import LEARNING_RATE, Task
from benchmarks.peers import Run

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Epoch = Callable[[Step], None]
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def training(task: Task) -> Run:
    total = torch.zeros(())
    return _run(task, shuffled(task), total.add_)


def single(task: Task) -> Run:
    return _run(task, handed_over(task), lambda loss: loss)


def shuffled(task: Task) -> Epoch:
    """Return an epoch over views of the permuted rows."""
    x, y = map(torch.from_numpy, task.data())
    batch = task.network.batch

    def epoch(step: Step) -> None:
        order = torch.randperm(len(x))
        for rows, classes in zip(x[order].split(batch), y[order].split(batch), strict=True):
            step(rows, classes)

    return epoch


def handed_over(task: Task) -> Epoch:
    """Return an epoch over arrays of NumPy, in which each step's loss is read."""
    batches = task.batches()

    def epoch(step: Step) -> None:
        for x, y in batches:
            step(torch.from_numpy(x), torch.from_numpy(y)).item()

    return epoch


def _run(task: Task, epoch: Epoch, told: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    """Return the run of an epoch, each of whose steps tells its loss."""
    prepare_threads(task)
    module = network_of(task)
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True)
    loss_of = nn.CrossEntropyLoss()
    x, y = map(torch.from_numpy, task.data())

    def step(rows: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(module(rows), classes)
        loss.backward()
        optimizer.step()
        return told(loss.detach())

    def go(epochs: int) -> None:
        for _ in range(epochs):
            epoch(step)

    def outcome() -> float:
        module.eval()
        with torch.no_grad():
            loss = float(loss_of(module(x), y))
        module.train()
        return loss

    return Run(go, outcome)


def prediction(task: Task) -> Run:
    prepare_threads(task)
    x = task.data()[0]
    module = network_of(task).eval()

    def predict() -> torch.Tensor:
        with torch.inference_mode():
            return module(torch.from_numpy(x))

    def go(calls: int) -> None:
        for _ in range(calls):
            predict().numpy()

    return Run(go, lambda: float(predict().mean()))


def product(task: Task) -> Run:
    prepare_threads(task)
    x, w = torch.from_numpy(task.data()[0]), torch.from_numpy(task.weights()[0][0])
    out = torch.empty(len(x), w.shape[1], dtype=x.dtype)

    def go(calls: int) -> None:
        for _ in range(calls):
            torch.mm(x, w, out=out)

    return Run(go, lambda: float((x @ w).abs().mean()))


def prepare_threads(task: Task) -> None:
    """Use the task's threads, and take denormals for zero, as a fit of ours does."""
    torch.set_num_threads(task.threads)
    torch.set_flush_denormal(True)


def network_of(task: Task) -> nn.Sequential:
    """Return the network as a module, with the task's weights."""
    network, dtype = task.network, getattr(torch, task.dtype)
    modules: list[nn.Module] = []
    for (inputs, outputs), (weight, bias) in zip(network.layers(), task.weights(), strict=True):
        linear = nn.Linear(inputs, outputs, dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        modules.append(linear)
        modules += [nn.LayerNorm(outputs, dtype=dtype)] if network.normalized else []
        modules.append(ACTIVATIONS[network.activation]())
        modules += [nn.Dropout(network.dropout)] if network.dropout else []
    last = next(i for i in reversed(range(len(modules))) if isinstance(modules[i], nn.Linear))
    return nn.Sequential(*modules[: last + 1])
