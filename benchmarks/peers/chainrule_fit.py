"""Ours: one call of `Model.fit`."""

from __future__ import annotations

import chainrule as cr
from benchmarks.networks import LEARNING_RATE, Task
from benchmarks.peers import Train


def prepare(task: Task) -> Train:
    x, y = task.data()
    *hidden, classes = task.network.widths[1:]
    layers = [cr.Dense(width, activation="relu") for width in hidden]
    model = cr.Model(
        cr.Sequential([*layers, cr.Dense(classes)]),
        loss="cross_entropy",
        optimizer=cr.Adam(LEARNING_RATE),
        dtype=task.dtype,
        executor=task.executor,
    )

    def train(epochs: int) -> None:
        model.fit(x, y, epochs=epochs, batch_size=task.network.batch)

    return train
