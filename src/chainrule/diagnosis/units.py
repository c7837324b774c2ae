"""Units that say nothing: dead ones, which no row switches on, and saturated ones, which no row moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from chainrule.diagnosis.parts import title
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.functions import sum as sum_of
from chainrule.gradient.backward import backward
from chainrule.graph.loop import Stage, run_stage
from chainrule.graph.types import Array
from chainrule.graph.value import Value, as_value
from chainrule.training.step import Trace
from chainrule.training.trainer import Trainer


def silent_units(trainer: Trainer, data: Mapping[str, Array]) -> Iterator[Verdict]:
    """Find layers in which most units are dead, or half of them saturated."""
    if len(data["x"]) < LIMITS.unit_rows:
        return
    found: dict[str, Verdict] = {}  # one for each layer, however often the network is called
    stage, parts = _activation_stage(trainer, data)
    results = run_stage(stage, trainer.arrays(data)) if stage else {}
    for i, part in enumerate(parts):
        y, slope = results[f"y{i}"], np.abs(results[f"slope{i}"])
        off, flat = (slope == 0) & (y == 0), slope < LIMITS.flat_slope
        rows = tuple(range(y.ndim - 1))
        dead = float(np.mean(np.all(off, axis=rows)))
        saturated = float(
            np.mean((np.mean(flat, axis=rows) > LIMITS.mostly_flat) & np.any(flat & ~off, axis=rows))
        )
        where = title(trainer.task.network, part)
        if dead >= LIMITS.dead_units:
            found[part] = Verdict(
                "dead units",
                where,
                f"{100 * dead:.0f} % give 0 and have no slope in any of {len(y)} rows",
                "lower the learning rate, start with zero biases, standardize features, or try leaky_relu",
            )
        elif saturated >= LIMITS.saturated_units:
            found[part] = Verdict(
                "saturated units",
                where,
                f"{100 * saturated:.0f} % have a slope below {LIMITS.flat_slope} in nearly all of {len(y)} "
                "rows",
                "start with smaller weights, or standardize the features",
            )
    yield from found.values()


def _activation_stage(trainer: Trainer, data: Mapping[str, Array]) -> tuple[Stage | None, list[str]]:
    """Return the graph of each activation's results and slopes, and the layers' paths.

    The slopes are read off the derivative of Σ ± y, with signs that alternate: where a unit's result depends
    on its own sum only, it is ± f'(z). With equal signs that of a softmax, whose units sum to 1, would be 0.
    """
    t = Trace(trainer.task, trainer.carried, trainer.data_types(dict(data)), training=True)
    t.row_losses()
    outputs: dict[str, Value] = {}
    parts: list[str] = []
    for part, z, y in t.variables.activations:
        if y is z:
            continue  # the identity
        signs = 1.0 - 2.0 * (np.indices([int(dim) for dim in z.shape[1:]]).sum(axis=0) % 2)
        total = sum_of(y * as_value(signs.astype(y.dtype)))
        (slope,) = backward(total, [z])
        outputs |= {f"y{len(parts)}": y, f"slope{len(parts)}": slope}
        parts.append(part)
    return t.stage(outputs) if parts else None, parts
