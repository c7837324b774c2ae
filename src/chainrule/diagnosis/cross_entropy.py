"""A step's loss read as cross-entropy: what it would be if a row were of another class tells ln p.

The loss of a row of class t is -ln p_t, and more where the weights decay. What is more is the same for every
class, and for every row. So the losses of one row, as if it were of each class in turn, are -ln p up to a
constant, and that this constant is the same for all rows shows that they are: the p of a row sum to 1.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from chainrule.diagnosis.own_step import OwnStep
from chainrule.graph.types import Array

SAME = 1e-4  # how far apart two numbers are that are the same, also in single precision
POINTS, DRAWS = 3, 12  # that are wanted, and that are tried
TELLING = (0.5, 5.0)  # how far apart the ln p of a row are where they tell something
APART = 0.1  # and those of different rows, in order of their size, as a part of that
TINY = 1e-9  # random weights
SCALES = sorted((1.5**i for i in range(-20, 21)), key=lambda scale: abs(math.log(scale)))


@dataclass(frozen=True)
class CrossEntropy:
    """A step whose loss is cross-entropy.

    Attributes
    ----------
    batches : list of list of OwnStep
        By row and class: the step on a batch of copies of this row, as if they were of this class.
    unit : float
        What the loss of such a batch is by -ln p of its row: 1, the number of rows, or what a mean over the
        outputs makes of it.
    """

    batches: list[list[OwnStep]]
    unit: float

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.batches[0])

    @property
    def own(self) -> OwnStep:
        """The step, on one of the batches."""
        return self.batches[0][0]

    def log_probabilities(self, arrays: list[Array]) -> Array:
        """Return ln p at these weights, (rows, classes)."""
        return self.normalised(arrays)[0]

    def normalised(self, arrays: list[Array]) -> tuple[Array, Array]:
        """Return ln p, (rows, classes), and the constants that make the p of each row sum to 1."""
        numbers = np.array([[batch.loss(arrays) for batch in row] for row in self.batches]) / -self.unit
        largest = np.max(numbers, axis=1, keepdims=True)
        constants = largest + np.log(np.sum(np.exp(numbers - largest), axis=1, keepdims=True))
        return numbers - constants, constants

    def points(
        self, generator: np.random.Generator, telling: tuple[float, float] = TELLING
    ) -> list[list[Array]]:
        """Return random weights at which the ln p of a row, and of both rows, are clearly different."""
        drawn = (self._scaled(self.own.draw(generator), telling) for _ in range(DRAWS))
        return list(itertools.islice((arrays for arrays in drawn if arrays is not None), POINTS))

    def _scaled(self, arrays: list[Array], telling: tuple[float, float]) -> list[Array] | None:
        """Return the weights as large as they tell something; None if they never do."""
        low, high = 0.0, math.inf
        for scale in SCALES:
            if not low < scale < high:
                continue
            scaled = [scale * array for array in arrays]
            log_p = self.log_probabilities(scaled)
            spread = float(np.max(np.ptp(log_p, axis=1)))
            apart = float(np.max(np.abs(np.diff(np.sort(log_p, axis=1), axis=0))))
            if spread <= telling[0]:
                low = scale
            elif not spread < telling[1]:
                high = scale
            elif apart > APART * telling[0]:
                return scaled
        return None


def cross_entropy(own: OwnStep, generator: np.random.Generator) -> CrossEntropy | None:
    """Return the step as one whose loss is cross-entropy; None if it is another, or it cannot be told."""
    tried = itertools.product(_numbers_of_classes(own), (_random_rows(own, generator), _given_rows(own)))
    for classes, rows in tried:
        batches = [[_of_class(row, k, classes) for k in range(classes)] for row in rows]
        try:
            loss = _with_unit(batches, generator)
            constants = [loss.normalised(arrays)[1] for arrays in loss.points(generator)] if loss else []
        except Exception:  # the step knows fewer classes, or no such rows
            continue
        if constants and all(np.ptp(pair) < SAME for pair in constants):
            return loss
    return None


def _with_unit(batches: list[list[OwnStep]], generator: np.random.Generator) -> CrossEntropy | None:
    """Return the losses with their unit: without weights, and so without decay, all classes have p = 1/K."""
    tiny = batches[0][0].draw(generator, TINY)
    few = [batches[row][k].loss(tiny) for row in (0, 1) for k in {0, 1, len(batches[0]) - 1}]
    unit = few[0] / math.log(len(batches[0]))
    return CrossEntropy(batches, unit) if unit > 0 and np.ptp(few) < SAME * unit else None


def _numbers_of_classes(own: OwnStep) -> list[int]:
    """Return how many classes there may be; nothing where y holds no classes."""
    if own.y.dtype.kind not in "iufb":
        return []
    rows = np.moveaxis(own.y, own.axis, 0).reshape(own.rows, -1)
    if rows.shape[1] > 1:
        vectors = own.y.ndim == 2 and np.all((rows == 0) | (rows == 1)) and np.all(rows.sum(axis=1) == 1)
        return [rows.shape[1]] if vectors else []
    if not np.all((rows >= 0) & (rows == np.round(rows))):
        return []
    sizes = [size for array in reversed(own.arrays) for size in array.shape]
    return [size for size in dict.fromkeys(sizes) if size > max(1, rows.max())]


def _random_rows(own: OwnStep, generator: np.random.Generator) -> list[OwnStep]:
    """Return two batches of copies of one random row, and of one on the other side of 0."""
    shape = list(own.x.shape)
    shape[own.axis] = 1
    row = 2 * generator.normal(size=shape)
    rows = (np.repeat((size * row).astype(own.x.dtype), own.rows, own.axis) for size in (1, -2))
    return [own.with_batch(x, own.y) for x in rows]


def _given_rows(own: OwnStep) -> list[OwnStep]:
    """Return two batches of copies of one row: of the first, and of the one least like it."""
    rows = np.moveaxis(own.x, own.axis, 0).reshape(own.rows, -1)
    farthest = int(np.argmax(np.sum(np.abs(rows - 1.0 * rows[0]), axis=1)))
    return [own.on_rows([row] * own.rows) for row in (0, farthest)]


def _of_class(own: OwnStep, k: int, classes: int) -> OwnStep:
    """Return the step on the same rows, as if all were of class k."""
    y = np.full_like(own.y, k)
    if own.y.size > own.rows:
        y = np.zeros_like(own.y)
        np.moveaxis(y, own.axis, 0)[:, k] = 1
    return own.with_batch(own.x, y)
