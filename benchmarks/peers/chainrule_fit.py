"""Ours: a model's calls, and a compiled function."""

from __future__ import annotations

import chainrule as cr
from benchmarks.networks import LEARNING_RATE, VISCOSITY, Task
from benchmarks.peers import Run


def training(task: Task) -> Run:
    x, y = task.data()
    model = new_model(task, loss="cross_entropy")
    return Run(
        lambda epochs: _fit(model, task, epochs, x, y),
        lambda: model.evaluate(x, y)["loss"],
    )


def single(task: Task) -> Run:
    batches = task.batches()
    model = new_model(task, loss="cross_entropy")

    def go(epochs: int) -> None:
        for _ in range(epochs):
            for x, y in batches:
                model.step(x, y)

    return Run(go, lambda: model.evaluate(*task.data())["loss"])


def physics(task: Task) -> Run:
    points = task.points()

    def objective(network, points, _):
        def derivatives(points):
            return cr.grad(lambda points: cr.sum(network(points)))(points)

        slopes = derivatives(points)
        bends = cr.grad(lambda points: cr.sum(derivatives(points)[:, 1]))(points)
        u, u_t, u_x, u_xx = network(points)[:, 0], slopes[:, 0], slopes[:, 1], bends[:, 1]
        return (u_t + u * u_x - VISCOSITY * u_xx) ** 2

    model = new_model(task, objective=objective)
    return Run(lambda steps: _fit(model, task, steps, points), lambda: model.evaluate(points)["loss"])


def prediction(task: Task) -> Run:
    x, _ = task.data()
    model = new_model(task, loss="cross_entropy")

    def go(calls: int) -> None:
        for _ in range(calls):
            model.predict(x)

    return Run(go, lambda: float(model.predict(x).mean()))


def product(task: Task) -> Run:
    x, w = task.data()[0], task.weights()[0][0]
    compiled = cr.compile(lambda x, w: x @ w)

    def go(calls: int) -> None:
        for _ in range(calls):
            compiled(x, w)

    return Run(go, lambda: float(abs(compiled(x, w)).mean()))


def _fit(model, task: Task, epochs: int, *data) -> None:
    model.fit(*data, epochs=epochs, batch_size=task.network.batch)


def new_model(task: Task, **aim) -> cr.Model:
    """Return a model of the task's network, with its weights; ``aim`` is a loss or an objective."""
    network = task.network
    layers, dense = [], []
    for width in network.widths[1:-1]:
        dense.append(len(layers))
        layers.append(cr.Dense(width))
        layers += [cr.LayerNorm()] if network.normalized else []
        layers.append(cr.Activation(network.activation))
        layers += [cr.Dropout(network.dropout)] if network.dropout else []
    dense.append(len(layers))
    layers.append(cr.Dense(network.widths[-1]))
    model = cr.Model(
        cr.Sequential(layers),
        optimizer=cr.Adam(LEARNING_RATE),
        dtype=task.dtype,
        executor=task.executor,
        **aim,
    )
    model.build(network.widths[0])
    for number, (weight, bias) in zip(dense, task.weights(), strict=True):
        model.set_weights({f"layers.{number}.weight": weight, f"layers.{number}.bias": bias})
    return model
