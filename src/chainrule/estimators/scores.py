"""The rows that are held out, measured inside the loop: their loss, and scikit-learn's default score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.functions import all, argmax, astype, isfinite, row_count, sum, where
from chainrule.graph.loop import Stage
from chainrule.graph.types import FLOAT64, Array, ArrayType
from chainrule.graph.value import Value
from chainrule.training.step import Trace
from chainrule.training.task import CarriedTypes, DataTypes, Task

#: What an output's squared error takes from a row's part of the coefficient of determination: it is carried.
SCALE = "score/scale"
#: The score of each row, whose weighted mean is the score: a function of what is traced and of the outputs.
RowScore = Callable[[Trace, Value], Value]


def held_stage(task: Task, carried: CarriedTypes, data: DataTypes, row_score: RowScore | None) -> Stage:
    """Return the graph of the loss and the score of some rows, summed over them; no penalty is in the loss.

    Parameters
    ----------
    task, carried, data
        As for a training step.
    row_score : callable or None
        `accuracy` or `determination`; None is without a score.
    """
    t = Trace(task, carried, data, training=False)
    weights = None if t.sample_weight is None else astype(t.sample_weight, FLOAT64)

    def summed(numbers: Value) -> Value:
        numbers = astype(numbers, FLOAT64)
        return sum(numbers if weights is None else where(weights == 0, 0, weights * numbers))

    sums = {"loss": summed(t.row_losses(reported=True))}
    if row_score is not None:
        assert t.task.loss is not None
        sums["score"] = summed(row_score(t, t.task.loss.link(t.prediction)))
    weight = astype(row_count(t.x), FLOAT64) if weights is None else sum(weights)
    return t.stage({**sums, "weight": weight})


def accuracy(t: Trace, output: Value) -> Value:
    """Return 1 for each row whose class, or each of whose labels, is the target's."""
    assert t.y is not None
    one_class = t.y.ndim == 1
    right = argmax(output, axis=-1) == t.y if one_class else all((output > 0.5) == (t.y > 0.5), axis=-1)
    return astype(right, FLOAT64)


def determination(t: Trace, output: Value) -> Value:
    """Return numbers whose weighted mean is R²: the mean over the outputs of 1 - squared error / variance.

    An output that is not finite makes it NaN, as in scikit-learn.
    """
    assert t.y is not None
    scale = t.input(SCALE, ArrayType((int(t.y.shape[-1]),), FLOAT64))
    error = astype(t.y, FLOAT64) - astype(output, FLOAT64)
    return where(all(isfinite(output), axis=-1), 1 - sum(scale * error * error, axis=-1), np.nan)


def determination_scale(y: Array, weight: Array | None) -> Array | None:
    """Return 1 / (variance · outputs) of each column of y; None where one of them does not vary.

    Of such a column scikit-learn says that R² is 0 or 1, which is no mean over rows.
    """
    y = y.astype(np.float64)
    mean = np.average(y, axis=0, weights=weight)
    variance = np.average((y - mean) ** 2, axis=0, weights=weight)
    return None if len(y) < 2 or not variance.all() else 1 / (variance * y.shape[1])
