"""A training step of a model becomes an explanation, with the checks of its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.finite import failure_of
from chainrule.diagnosis.gradients import (
    ModelGradientReport,
    check_model_gradients,
    either_finite,
    largest_finite,
)
from chainrule.diagnosis.parts import kind_of
from chainrule.explanation.explanation import Explanation
from chainrule.explanation.verdict import Comparison, Verdict
from chainrule.files import write_atomically
from chainrule.gradient.report import CheckedEntry
from chainrule.graph.loop import Stage, run_stage
from chainrule.graph.origin import part_of
from chainrule.graph.types import FLOAT32, Array
from chainrule.training.explained import explained_step
from chainrule.training.frames import column_names
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer

#: Numbers that differ by this part of themselves, or of the step's largest derivative, are the same.
SAME = {"float32": 1e-4, "float64": 1e-11}
#: Finite differences are taken at so many entries of a parameter, and of all parameters together; at the
#: least at one of each, where its derivative is largest.
MOST_OF_EACH, MOST_OF_ALL = 20, 250

Arrays = Mapping[str, Array]


def explain(trainer: Trainer, x: Any, y: Any, weight: Any, steps: int) -> Explanation:
    """Return the story of the next training step on these rows; the trainer is left as it is."""
    stage, arrays, names = trainer.prepared("gradients", x, y, weight)
    failure = failure_of(stage, arrays, np.arange(len(arrays["x"])))
    if failure is not None and failure.of_loss:
        raise ValueError(
            f"the loss of these rows is {failure.number} in step {trainer.loop_state.step + 1}, "
            f"which has no derivative to explain: {failure.beginning}"
        )
    data = {name: arrays[name] for name in names}
    graph = explained_step(trainer.task, trainer.carried, DataTypes.of(data))
    recording = graph.record(arrays)
    loss = float(recording.numbers[graph.loss])
    new = {name: recording.numbers[value] for name, value in graph.new.items()}
    after = float(run_stage(stage, {**arrays, **new})["batch_loss"])
    gradients = {name: recording.numbers[value] for name, value in graph.gradients.items()}
    history = _history(trainer, arrays, data, steps) if steps > 1 else []
    parts = {value.origin.part for value in graph.stage.graph.equations}
    explanation = Explanation(
        recording,
        loss,
        after,
        _verdict(trainer, stage, arrays, gradients),
        history=history,
        write=write_atomically,
        kinds={part: kind_of(trainer.task.network, part) for part in parts},
    )
    explanation.call(column_names(x) or trainer.feature_names or ())
    return explanation


def _verdict(trainer: Trainer, stage: Stage, arrays: Arrays, gradients: Arrays) -> Verdict:
    """Compute the gradient in other ways: by differences, by compiled code, and as `Model.gradients` does."""
    samples = max(1, min(MOST_OF_EACH, MOST_OF_ALL // len(gradients)))
    report = check_model_gradients(trainer.task.network, stage, arrays, samples=samples)
    evaluated = run_stage(stage, arrays)
    largest = max(map(largest_finite, gradients.values()))
    comparisons, faults = [], list(report.faults)
    for name, gradient in gradients.items():
        least = SAME[gradient.dtype.name] * largest
        same = _is_same(gradient, evaluated[name], least)
        if not same:
            faults.append(f"the explained gradient of {name} is not that of the training step")
        comparisons.append(_comparison(name, gradient, report, same, least))
    return Verdict(tuple(comparisons), tuple(faults))


def _is_same(gradient: Array, evaluated: Array, least: float) -> bool:
    """Whether the explained gradient is the evaluated one; differences up to the least are rounding."""
    compared = either_finite(gradient, evaluated)
    part = SAME[gradient.dtype.name]
    return bool(np.allclose(gradient[compared], evaluated[compared], rtol=part, atol=least))


def _comparison(
    name: str, gradient: Array, report: ModelGradientReport, same: bool, least: float
) -> Comparison:
    """Return how a parameter's gradient compares with the same computed in other ways."""
    entries = [entry for entry in report.entries if entry.name == name]
    judged = [entry for entry in entries if entry.verdict in ("right", "wrong")]
    error = max(_rounding_errors(gradient, entries), default=0.0)
    is_right = all(entry.verdict != "wrong" for entry in entries) and name not in report.miscompiled
    return Comparison(
        name,
        entries=gradient.size,
        checked=len(entries),
        unjudged=len(entries) - len(judged),
        differences=max((entry.relative_error for entry in judged), default=0.0),
        rounding=error / max(largest_finite(gradient), least or 1.0),
        error=error,
        compiled=report.compiled[name],
        right=same and is_right and bool(np.isfinite(gradient).all()),
    )


def _rounding_errors(gradient: Array, entries: Sequence[CheckedEntry]) -> Iterator[float]:
    """Yield how far elements of a float32 gradient are from the same in float64, where both are finite."""
    for entry in entries if gradient.dtype == FLOAT32 else ():
        number = float(gradient[entry.index])
        if math.isfinite(entry.analytic) and math.isfinite(number):
            yield abs(entry.analytic - number)


def _history(trainer: Trainer, arrays: Arrays, data: Arrays, steps: int) -> list[dict[str, Any]]:
    """Return the losses and the sizes by layer of consecutive training steps on these rows."""
    types = DataTypes.of(data)
    step, gradient = trainer.stage("step", types), trainer.stage("gradients", types)
    parameters = list(trainer.carried.parameters)
    found = []
    for number in range(steps):
        counted = {**arrays, "step": np.asarray(trainer.loop_state.step + number, np.int32)}
        gradients, results = run_stage(gradient, counted), run_stage(step, counted)
        if not np.isfinite(results["batch_loss"]):
            break  # from here on there are no numbers to show
        layers: dict[str, dict[str, float]] = {}
        for name in parameters:
            part = layers.setdefault(part_of(name), {"weight": 0.0, "gradient": 0.0, "update": 0.0})
            for key, array in (
                ("weight", counted[name]),
                ("gradient", gradients[name]),
                ("update", results[name] - counted[name]),
            ):
                with np.errstate(over="ignore", invalid="ignore"):  # a diverging training shows as inf
                    part[key] = float(np.hypot(part[key], np.linalg.norm(np.asarray(array, np.float64))))
        found.append({"step": number + 1, "loss": float(results["batch_loss"]), "layers": layers})
        arrays = {**counted, **{name: array for name, array in results.items() if name in arrays}}
    return found
