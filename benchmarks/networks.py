"""What is measured: networks and what is done with them, and the data that everyone is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 4096
"""Rows in an epoch: a whole number of every network's batches."""

LEARNING_RATE = 1e-3
VISCOSITY = 0.01 / math.pi
"""Of Burgers' equation, u_t + u u_x = ν u_xx."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron, the rows of its batch, and what is done with it.

    Attributes
    ----------
    widths : tuple of int
        Inputs, hidden units, outputs. A hidden layer is Dense, LayerNorm if ``normalized``, the activation,
        and Dropout if there is any.
    batch : int
        Rows in a step, or in a prediction.
    kind : {"training", "single", "physics", "prediction", "product"}
        Training on classes; the same, one batch handed over after the other; training on the residual of
        Burgers' equation; a prediction; or nothing but the product of a matrix (batch, widths[0]) and one
        (widths[0], widths[1]).
    """

    widths: tuple[int, ...]
    batch: int
    activation: str = "relu"
    normalized: bool = False
    dropout: float = 0.0
    kind: str = "training"

    @property
    def name(self) -> str:
        widths = "-".join(map(str, self.widths))
        if len(self.widths) > 8:
            widths = f"{self.widths[0]}-{self.widths[1]}×{len(self.widths) - 2}-{self.widths[-1]}"
        extra = [self.activation] if self.activation != "relu" else []
        extra += ["LayerNorm"] if self.normalized else []
        extra += [f"dropout {self.dropout}"] if self.dropout else []
        return " ".join([widths, *extra])

    @property
    def label(self) -> str:
        return f"{self.name}, {self.batch}"

    @property
    def steps(self) -> int:
        """Steps in an epoch; what is no training on classes has one."""
        return self.rows // self.batch if self._on_classes else 1

    @property
    def rows(self) -> int:
        """Rows of the data."""
        return max(ROWS, self.batch) if self._on_classes else self.batch

    @property
    def _on_classes(self) -> bool:
        return self.kind in ("training", "single")

    @property
    def work(self) -> int:
        """Floating-point operations of a step's matrix products; with second derivatives about as many."""
        times = {"training": 6, "single": 6, "physics": 24, "prediction": 2, "product": 2}[self.kind]
        weights = [inputs * outputs for inputs, outputs in self.layers()]
        unasked = 2 * weights[0] if self._on_classes else 0  # nobody asks for the gradient of the data
        return self.batch * (times * sum(weights) - unasked)

    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


@dataclass(frozen=True)
class Task:
    """What a peer is asked to do."""

    network: Network
    dtype: str
    threads: int
    executor: str = "compiled"

    @classmethod
    def from_order(cls, order: dict[str, Any]) -> Task:
        """Return the task that was written as JSON."""
        network = dict(order["network"], widths=tuple(order["network"]["widths"]))
        return cls(Network(**network), order["dtype"], order["threads"], order["executor"])

    def data(self) -> tuple[Floats, NDArray[np.int64]]:
        """Rows of standard normal numbers, and their classes: the largest of some noisy linear functions."""
        rng = np.random.default_rng(0)
        features, classes = self.network.widths[0], self.network.widths[-1]
        x = rng.standard_normal((self.network.rows, features))
        scores = x @ rng.standard_normal((features, classes)) / np.sqrt(features)
        y = (scores + rng.standard_normal(scores.shape)).argmax(axis=1)
        return x.astype(self.dtype), y

    def batches(self) -> list[tuple[Floats, NDArray[np.int64]]]:
        """The rows and classes of each step, in order."""
        x, y = self.data()
        size = self.network.batch
        return [(x[start : start + size], y[start : start + size]) for start in range(0, len(x), size)]

    def points(self) -> Floats:
        """Places (t, x) in [0, 1] × [-1, 1]."""
        rng = np.random.default_rng(0)
        return rng.uniform([0, -1], [1, 1], (self.network.rows, 2)).astype(self.dtype)

    def weights(self) -> list[tuple[Floats, Floats]]:
        """(weight (in, out), bias) of each layer, with which everyone begins who can be given them."""
        rng = np.random.default_rng(1)
        gain = 2 if self.network.activation in ("relu", "gelu") else 1
        return [
            (
                (rng.standard_normal((inputs, outputs)) * np.sqrt(gain / inputs)).astype(self.dtype),
                np.zeros(outputs, self.dtype),
            )
            for inputs, outputs in self.network.layers()
        ]
