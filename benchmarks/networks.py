"""What is trained: the networks, and the data that everyone is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROWS = 4096
"""Rows in an epoch: a whole number of every network's batches."""

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron (relu, softmax cross-entropy) and the rows of its batch."""

    widths: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        return "-".join(map(str, self.widths))

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return ROWS // self.batch

    @property
    def work(self) -> int:
        """Floating-point operations of a step's matrix products, about."""
        return 6 * self.batch * sum(inputs * outputs for inputs, outputs in self.layers())

    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


NETWORKS = {
    network.name: network
    for network in (
        Network((4, 32, 32, 2), 32),
        Network((20, 64, 64, 10), 32),
        Network((784, 128, 10), 128),
        Network((64, 256, 256, 10), 256),
        Network((784, 1024, 1024, 10), 256),
    )
}


@dataclass(frozen=True)
class Task:
    """What a peer is asked to do."""

    network: Network
    dtype: str
    threads: int
    executor: str = "compiled"

    def data(self) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Rows of standard normal numbers, and their classes: the largest of some noisy linear functions."""
        rng = np.random.default_rng(0)
        features, classes = self.network.widths[0], self.network.widths[-1]
        x = rng.standard_normal((ROWS, features))
        scores = x @ rng.standard_normal((features, classes)) / np.sqrt(features)
        y = (scores + rng.standard_normal(scores.shape)).argmax(axis=1)
        return x.astype(self.dtype), y

    def weights(self) -> list[tuple[NDArray[np.floating], NDArray[np.floating]]]:
        """(weight (in, out), bias) of each layer, for peers that don't draw them themselves."""
        rng = np.random.default_rng(1)
        return [
            (
                (rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(self.dtype),
                np.zeros(outputs, self.dtype),
            )
            for inputs, outputs in self.network.layers()
        ]
