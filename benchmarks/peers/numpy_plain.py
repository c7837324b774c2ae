"""NumPy as one writes it."""

from __future__ import annotations

import numpy as np

from benchmarks.networks import Floats, Task
from benchmarks.peers import Run


def prediction(task: Task) -> Run:
    x, _ = task.data()
    *hidden, (last_weight, last_bias) = task.weights()

    def predict() -> Floats:
        y = x
        for weight, bias in hidden:
            y = y @ weight
            y += bias
            np.maximum(y, 0, out=y)
        return y @ last_weight + last_bias

    def go(calls: int) -> None:
        for _ in range(calls):
            predict()

    return Run(go, lambda: float(predict().mean()))


def product(task: Task) -> Run:
    x, w = task.data()[0], task.weights()[0][0]
    out = np.empty((len(x), w.shape[1]), x.dtype)

    def go(calls: int) -> None:
        for _ in range(calls):
            np.matmul(x, w, out=out)

    return Run(go, lambda: float(np.abs(x @ w).mean()))
