"""Networks without a hidden layer, or whose hidden layers have no activation: what they cannot learn."""

from __future__ import annotations

import numpy as np

from chainrule.diagnosis.patient import Data, Patient
from chainrule.graph.loop import run_stage
from chainrule.graph.types import Array
from chainrule.training.step import Trace
from chainrule.training.task import DataTypes

#: Rows and weights that it is tried with, and how far rounding may lead away from a straight line.
TRIED, ROUNDING = 32, 1e-3


def is_linear(patient: Patient) -> bool:
    """Whether outputs are linear in the input, but for a function at the end that only rises or only falls.

    It is tried with weights drawn at random: f(a + b) + f(0) = f(a) + f(b).
    """
    trainer, x = patient.trainer, patient.data["x"]
    if x.ndim != 2 or x.dtype.kind != "f" or trainer.task.loss is None:
        return False
    assert trainer.x is not None
    t = Trace(trainer.task, trainer.carried, DataTypes(trainer.x, None, weighted=False), training=False)
    outer = t.prediction
    inner = next((z for _, z, y in t.variables.activations if y is outer), outer)
    draw = np.random.default_rng(patient.seed).normal
    a, b = draw(size=(2, TRIED, x.shape[1]))
    tried = np.concatenate([a, b, a + b, 0 * a]).astype(x.dtype)
    names = trainer.predicting_names()
    weights = {
        names[name]: draw(size=array.shape).astype(array.dtype) for name, array in patient.weights.items()
    }
    arrays = {**trainer.arrays({"x": tried}), **weights}
    found = run_stage(t.stage({"inner": inner, "outer": outer}), arrays)
    of_a, of_b, of_sum, of_zero = np.split(found["inner"].astype(float), 4)
    bend = np.max(np.abs(of_sum + of_zero - of_a - of_b))
    is_straight = bend <= ROUNDING * np.max(np.abs(found["inner"]))
    return bool(is_straight) and _only_rises_or_falls(found["inner"], found["outer"])


def _only_rises_or_falls(x: Array, y: Array) -> bool:
    """Whether each column of y is a monotone function of the same column of x."""
    steps = np.diff(np.take_along_axis(y, np.argsort(x, axis=0), axis=0), axis=0)
    return bool(np.all(np.all(steps >= 0, axis=0) | np.all(steps <= 0, axis=0)))


def told_by_lines(data: Data) -> float:
    """Return which part of a target's variance a linear function of x explains; of several, the most."""
    y = data["y"].reshape(len(data["x"]), -1)
    if y.dtype.kind != "f":
        y = y[:, :1] == np.unique(y[:, :1])
    x, y = (each - np.mean(each, axis=0) for each in (data["x"].astype(float), y.astype(float)))
    total = np.sum(y**2, axis=0)
    left = np.sum((y - x @ np.linalg.lstsq(x, y)[0]) ** 2, axis=0)
    return float(np.max(1 - left[total > 0] / total[total > 0], initial=0.0))
