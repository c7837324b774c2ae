"""PyTorch as it is mostly written, with the data in memory and the fused optimizer."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from benchmarks.networks import LEARNING_RATE, ROWS, Task
from benchmarks.peers import Train


def prepare(task: Task) -> Train:
    torch.set_num_threads(task.threads)
    torch.set_flush_denormal(True)
    x, y = map(torch.from_numpy, task.data())
    network = _network(task)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    loss_of = nn.CrossEntropyLoss()
    batch = task.network.batch

    def epoch() -> torch.Tensor:
        order = torch.randperm(ROWS)
        total = torch.zeros(())
        for rows, classes in zip(x[order].split(batch), y[order].split(batch), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(network(rows), classes)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total

    def train(epochs: int) -> None:
        for _ in range(epochs):
            epoch()

    return train


def _network(task: Task) -> nn.Sequential:
    dtype = getattr(torch, task.dtype)
    pairs = ((nn.Linear(*widths, dtype=dtype), nn.ReLU()) for widths in task.network.layers())
    return nn.Sequential(*list(itertools.chain.from_iterable(pairs))[:-1])
