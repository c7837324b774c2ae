"""A training step of a model becomes an explanation, with the checks of its gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.executors import EXECUTORS
from chainrule.explanation.explanation import Explanation
from chainrule.explanation.verdict import Comparison, Verdict
from chainrule.files import write_atomically
from chainrule.gradient.check import check_graph
from chainrule.graph.loop import Stage, run_stage
from chainrule.graph.types import Array
from chainrule.training.explained import explained_step
from chainrule.training.trainer import Trainer

#: The relative error up to which two gradients are the same, by the digits of the model.
TOLERANCE = {"float32": 1e-3, "float64": 1e-5}
#: The part of a step's largest derivative to which errors of next to nothing are compared.
LEAST = {"float32": 1e-3, "float64": 1e-10}

Arrays = Mapping[str, Array]


def explain(trainer: Trainer, x: Any, y: Any, weight: Any, steps: int) -> Explanation:
    """Return the story of the next training step on these rows; the trainer is left as it is."""
    stage, arrays, names = trainer.prepared("gradients", x, y, weight)
    data = {name: arrays[name] for name in names}
    graph = explained_step(trainer.task, trainer.carried, trainer.data_types(data))
    recording = graph.record(arrays)
    loss = float(recording.numbers[graph.loss])
    if not np.isfinite(loss):
        raise ValueError(
            f"the loss of these rows is {loss}, which has no derivative to explain; scale x, y or the weights"
        )
    new = {name: recording.numbers[value] for name, value in graph.new.items()}
    after = float(run_stage(stage, {**arrays, **new})["batch_loss"])
    gradients = {name: recording.numbers[value] for name, value in graph.gradients.items()}
    history = _history(trainer, arrays, data, steps) if steps > 1 else []
    return Explanation(
        recording, loss, after, _verdict(stage, arrays, gradients), history=history, write=write_atomically
    )


def _verdict(stage: Stage, arrays: Arrays, gradients: Arrays) -> Verdict:
    """Compute the gradient in two other ways."""
    compiled = run_stage(stage, arrays, EXECUTORS["compiled"].prepare)
    report = check_graph(stage.graph, arrays, inputs=list(gradients))
    dtype = next(iter(gradients.values())).dtype.name
    largest = max(map(_largest, gradients.values()))
    comparisons = []
    for name, gradient in gradients.items():
        size = max(_largest(gradient), LEAST[dtype] * largest) or 1.0
        entries = [entry for entry in report.entries if entry.name == name]
        judged = [entry for entry in entries if entry.verdict in ("right", "wrong")]
        off = [abs(entry.analytic - entry.numeric) for entry in judged]
        rounding = [abs(entry.analytic - float(gradient[entry.index])) for entry in entries]
        errors = (max(off, default=0.0), max(rounding, default=0.0), _largest(compiled[name] - gradient))
        counts = (gradient.size, len(entries), len(entries) - len(judged))
        comparisons.append(Comparison(name, *counts, *(error / size for error in errors)))
    return Verdict(tuple(comparisons), TOLERANCE[dtype])


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def _history(trainer: Trainer, arrays: Arrays, data: Arrays, steps: int) -> list[dict[str, Any]]:
    """Return the losses and the sizes by layer of consecutive training steps on these rows."""
    types = trainer.data_types(dict(data))
    step, gradient = trainer.stage("step", types), trainer.stage("gradients", types)
    parameters = list(trainer.carried.parameters)
    found = []
    for number in range(steps):
        counted = {**arrays, "step": np.asarray(trainer.run.step + number, np.int32)}
        gradients, results = run_stage(gradient, counted), run_stage(step, counted)
        if not np.isfinite(results["batch_loss"]):
            break  # from here on there are no numbers to show
        layers: dict[str, dict[str, float]] = {}
        for name in parameters:
            part = layers.setdefault(name.rpartition(".")[0], {"weight": 0.0, "gradient": 0.0, "update": 0.0})
            for key, array in (
                ("weight", counted[name]),
                ("gradient", gradients[name]),
                ("update", results[name] - counted[name]),
            ):
                part[key] = float(np.hypot(part[key], np.linalg.norm(array)))
        found.append({"step": number + 1, "loss": float(results["batch_loss"]), "layers": layers})
        arrays = {**counted, **{name: array for name, array in results.items() if name in arrays}}
    return found
