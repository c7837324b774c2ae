"""Whether the input helps: on rows held out, beside a network that is shown zeros."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.by_heart import least_loss
from chainrule.diagnosis.patient import BATCH, MOST_TRAINED_ON, STEPS, Data, Patient, taken
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.loop import run_stage
from chainrule.graph.types import Array
from chainrule.optimizers import Adam

#: Of few rows all are held out, a part of them at a time.
FEW, FOLDS, MOST_HELD_OUT = 120, 3, 500
#: The held-out rows are looked at after so many steps in all.
LOOKS = (STEPS // 10, STEPS // 3, STEPS, 2 * STEPS)
RATE = 3e-3
#: An objective is measured on groups of rows; the least loss on a few.
GROUP, FLOOR_ROWS = 8, 32


def sees_input(patient: Patient) -> Iterator[Verdict]:
    """Find an input that does not help: on rows held out, a network that is shown zeros is as good."""
    if patient.rows < LIMITS.held_out_rows or "y" not in patient.data:
        return
    data = patient.some(MOST_TRAINED_ON)
    if "sample_weight" in data:
        data = taken(data, np.flatnonzero(data["sample_weight"]))
    blind, taken_off = _held_out(patient, data)
    gain, spread = np.mean(taken_off), np.std(taken_off) / np.sqrt(len(taken_off))
    if not gain < 2 * spread:  # it helps, however little
        return
    few = taken(data, np.arange(min(len(data["x"]), FLOOR_ROWS)))
    floor = least_loss(patient, few) if patient.trainer.task.loss is not None else 0.0
    whole = np.mean(blind) - (floor if np.isfinite(floor) else 0.0)
    if gain < LIMITS.helps * whole and gain + spread < 2 * LIMITS.helps * whole:
        yield Verdict(
            "input that does not help",
            "",
            f"on rows held out of {len(data['x'])} the loss comes down to {np.mean(blind - taken_off):.4g} "
            f"(± {spread:.1g}), and to {np.mean(blind):.4g} for a network that is shown zeros",
            "check that rows of x and y belong together, and that x tells anything about y",
        )


def _held_out(patient: Patient, data: Data) -> tuple[Array, Array]:
    """Return the loss of each held-out row without the input, and what the input takes off it."""
    rows = len(data["x"])
    order = np.random.default_rng(patient.seed).permutation(rows)
    folds = np.array_split(order, FOLDS) if rows <= FEW else [order[: min(rows // FOLDS, MOST_HELD_OUT)]]
    blind: list[Array] = []
    seeing: list[Array] = []
    for held in folds:
        rest = np.setdiff1d(order, held)
        for shown, losses in ((0, blind), (1, seeing)):
            given = {**data, "x": data["x"] * np.asarray(shown, data["x"].dtype)}
            losses.append(_losses(patient, taken(given, rest), taken(given, held)))
    without = np.concatenate(blind)
    return without, without - np.concatenate(seeing)


def _losses(patient: Patient, data: Data, held: Data) -> Array:
    """Return the losses of held-out rows: of one half when the other half's were lowest, and the reverse."""
    copy, looks, before = patient.copy(Adam(RATE)), [], 0
    for steps in LOOKS:
        history = copy.train(data, steps - before, BATCH)
        if not np.isfinite(history["loss"][-1]):
            break
        looks.append(_row_losses(copy, held))
        before = steps
    if not looks:
        return _row_losses(patient, held)
    found = np.array(looks)
    first = np.arange(found.shape[1]) % 2 == 0
    by_second, by_first = (int(np.argmin(np.mean(found[:, half], axis=1))) for half in (~first, first))
    chosen: Array = np.where(first, found[by_second], found[by_first])
    return chosen


def _row_losses(patient: Patient, data: Data) -> Array:
    """Return the loss of each row; of an objective, which may take rows together, those of groups."""
    trainer, loss = patient.trainer, patient.trainer.task.loss
    if loss is None:
        groups = np.array_split(np.arange(len(data["x"])), max(2, len(data["x"]) // GROUP))
        return np.array([patient.loss(taken(data, group)) for group in groups])
    prediction = run_stage(trainer.stage("prediction"), trainer.arrays(data))["prediction"]
    return np.asarray(loss(prediction, data["y"]), float)
