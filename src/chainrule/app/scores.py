"""How good predictions are, beside what a guess without any features would reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.app.predict import Predictions
from chainrule.app.table import Table
from chainrule.app.target import ClassTarget, Target


@dataclass(frozen=True)
class Accuracy:
    """The share of the rows that were predicted right."""

    share: float

    def __str__(self) -> str:
        return f"accuracy {100 * self.share:.1f} %"


@dataclass(frozen=True)
class Errors:
    """How far predicted numbers are from the truth; R² is None where all true numbers are equal."""

    mean_absolute: float
    r2: float | None

    def __str__(self) -> str:
        r2 = "" if self.r2 is None else f", R² {self.r2:.3f}"
        return f"mean absolute error {self.mean_absolute:.4g}{r2}"


Score = Accuracy | Errors


def score(predictions: Predictions, target: Target, table: Table) -> Score:
    """Return how good predictions for the rows of a table are."""
    return _score(predictions.values, target, table)


def guess(target: Target, training: Table, table: Table) -> tuple[str, Score]:
    """Return the best constant guess in the training rows, in words, and how good it is for a table."""
    if isinstance(target, ClassTarget):
        commonest = int(np.argmax(np.bincount(target.encode(training), minlength=target.outputs)))
        values: NDArray[Any] = np.full(len(table.rows), commonest)
        return f"always guessing {target.classes[commonest]}", _score(values, target, table)
    return f"always predicting the mean, {target.mean:.4g}", _score(
        np.full(len(table.rows), target.mean), target, table
    )


def _score(values: NDArray[Any], target: Target, table: Table) -> Score:
    truth = target.encode(table)
    if isinstance(target, ClassTarget):
        return Accuracy(float(np.mean(values == truth)))
    spread = float(np.sum((truth - np.mean(truth)) ** 2))
    r2 = 1 - float(np.sum((truth - values) ** 2)) / spread if spread > 0 else None
    return Errors(float(np.mean(np.abs(truth - values))), r2)
