"""A step's loss read as cross-entropy: what it would be if a row were of another class tells ln p.

The loss of a row of class k is Σ_j M_kj (-ln p_j), and more where the weights decay. M is the identity, times
a weight for each class where classes are weighted, or with something in all places where labels are smoothed.
What is more is the same for every class, and for every batch. So the losses of a row, as if it were of each
class in turn, are -ln p by M up to a constant, and that this constant is the same for all batches shows that
they are: the p of a row sum to 1.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chainrule.diagnosis.own_step import OwnStep
from chainrule.graph.types import Array

SAME = 1e-4  # how far apart two numbers are that are the same, also in single precision
POINTS, DRAWS = 3, 12  # that are wanted, and that are tried
TELLING = (0.5, 5.0)  # how far apart the ln p of a row are where they tell something
APART = 0.1  # and those of different rows, in order of their size, as a part of that
TINY = 1e-9  # random weights
SCALES = sorted((1.5**i for i in range(-20, 21)), key=lambda scale: abs(math.log(scale)))
MOST_CLASSES = 1000
NOTHING = 1e-12  # for a loss at tiny weights
UNEQUAL = 1e3  # a class that weighs so many times as much as another is none
SMOOTHED = np.linspace(0.0, 0.9, 46)  # parts of a label that are spread over all classes
HALVINGS = 40


@dataclass(frozen=True)
class Mixture:
    """A batch of copies of one row, or of two, which may be of any class.

    With batch normalization, copies of one row tell nothing: they are all at their mean.
    """

    own: OwnStep
    counts: tuple[int, ...]

    @property
    def shares(self) -> list[float]:
        """Which parts of the batch are copies of each row."""
        return [count / self.own.rows for count in self.counts]

    def of(self, classes: Sequence[int]) -> OwnStep:
        """Return the step on this batch, as if its rows were of these classes."""
        own, labels = self.own, np.repeat(np.asarray(classes), self.counts)
        y = np.zeros_like(own.y)
        rows = np.moveaxis(y, own.axis, 0)
        if y.size > own.rows:
            rows[np.arange(own.rows), labels] = 1
        else:
            rows[...] = labels.reshape(rows.shape)
        return own.with_batch(own.x, y)

    def with_one(self, place: int, k: int) -> OwnStep:
        """Return the step with one row as if it were of class k, and the other of class 0."""
        return self.of([k if place == other else 0 for other in range(len(self.counts))])


@dataclass(frozen=True)
class CrossEntropy:
    """A step whose loss is cross-entropy.

    Attributes
    ----------
    batches : list of Mixture
        Two batches; a row of each p is that of a row of the first, and then of the second.
    targets : array
        M, (classes, classes).
    """

    batches: list[Mixture]
    targets: Array

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.targets)

    @property
    def own(self) -> OwnStep:
        """The step, on one of the batches."""
        return self.batches[0].own

    def log_probabilities(self, arrays: list[Array]) -> Array:
        """Return ln p at these weights, (rows, classes)."""
        return self.normalised(self.losses(arrays))[0]

    def losses(self, arrays: list[Array]) -> list[list[Array]]:
        """Return, by batch and row, the losses where this row is of each class in turn."""
        return [
            [
                np.array([batch.with_one(place, k).loss(arrays) for k in range(self.classes)])
                for place in range(len(batch.counts))
            ]
            for batch in self.batches
        ]

    def normalised(self, losses: list[list[Array]]) -> tuple[Array, Array]:
        """Return ln p, (rows, classes), that make these losses, and what each batch's has besides."""
        found, besides = [], []
        size = float(np.mean(np.sum(self.targets, axis=1)))
        for batch, by_row in zip(self.batches, losses, strict=True):
            of_batch = [
                _normalised(share * self.targets, numbers)
                for share, numbers in zip(batch.shares, by_row, strict=True)
            ]
            mine = sum(
                -share * self.targets[0] @ one for share, one in zip(batch.shares, of_batch, strict=True)
            )
            besides.append((by_row[0][0] - mine) / size)
            found += of_batch
        return np.array(found), np.array(besides)

    def points(
        self, generator: np.random.Generator, telling: tuple[float, float] = TELLING
    ) -> list[list[Array]]:
        """Return random weights at which the ln p of a row, and of all rows, are clearly different."""
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
            apart = float(np.max(np.ptp(np.sort(log_p, axis=1), axis=0)))
            if spread <= telling[0]:
                low = scale
            elif not spread < telling[1]:
                high = scale
            elif apart > APART * telling[0]:
                return scaled
        return None


def cross_entropy(own: OwnStep, generator: np.random.Generator) -> CrossEntropy | None:
    """Return the step as one whose loss is cross-entropy; None if it is another, or it cannot be told."""
    classes = _number_of_classes(own, generator)
    for kinds in (1, 2) if classes else ():
        told = []
        for batches in _mixtures(own, kinds, generator):
            told.append(_told(batches, classes, generator))
            if told[-1]:
                return told[-1]
        if False in told:  # it is another loss
            break
    return None


def _told(
    batches: list[Mixture], classes: int, generator: np.random.Generator
) -> CrossEntropy | Literal[False] | None:
    """Return the losses of batches as cross-entropy; False if they are not, None if they tell nothing."""
    try:
        loss = _weighted(batches, classes, generator)
        losses = [loss.losses(arrays) for arrays in loss.points(generator)] if loss else []
        return (_fitting(loss, losses) or False) if loss and losses else None
    except Exception:  # the step knows fewer classes, or no such rows
        return None


def _normalised(targets: Array, losses: Array) -> Array:
    """Return the ln p that sum to 1 as p, if the losses are targets @ -ln p and a constant."""
    at_zero, by_constant = np.linalg.solve(targets, np.stack([losses, np.ones(len(losses))], axis=1)).T
    constant = float(np.min(at_zero / by_constant))
    for _ in range(50):  # the sum is convex in the constant: after one step all come from above
        log_p = by_constant * constant - at_zero
        largest = float(np.max(log_p))
        p = np.exp(log_p - largest)
        step = (largest + math.log(float(np.sum(p)))) * float(np.sum(p)) / float(p @ by_constant)
        constant -= step
        if not abs(step) > 1e-15 * abs(constant):
            break
    return np.asarray(by_constant * constant - at_zero)


def _weighted(batches: list[Mixture], classes: int, generator: np.random.Generator) -> CrossEntropy | None:
    """Return the losses with the weight of each class: without weights, all classes have p = 1/K."""
    tiny = batches[0].own.draw(generator, TINY)
    told = np.array(
        [[batch.of([k] * len(batch.counts)).loss(tiny) for k in range(classes)] for batch in batches]
    )
    sizes = told[0] / math.log(classes)
    if not (0 < np.max(sizes) < UNEQUAL * np.min(sizes) and np.allclose(told[0], told[1], rtol=SAME, atol=0)):
        return None
    are_equal = np.ptp(sizes) < SAME * np.max(sizes)
    return CrossEntropy(batches, np.diag(np.full(classes, sizes[0]) if are_equal else sizes))


def _fitting(loss: CrossEntropy, told: list[list[list[Array]]]) -> CrossEntropy | None:
    """Return the loss, if need be that of smoothed labels, whose batches all have the same besides.

    How much is smoothed is found at the first point, and has to be so at the others.
    """

    def apart(targets: Array, losses: list[list[Array]]) -> float:
        one, other = dataclasses.replace(loss, targets=targets).normalised(losses)[1]
        return float(one - other)

    def fits(targets: Array) -> bool:
        return all(abs(apart(targets, losses)) < SAME for losses in told)

    def at_first(smoothed: Callable[[Array, float], Array], part: float) -> float:
        return apart(smoothed(loss.targets, part), told[0])

    if fits(loss.targets):
        return loss
    if len(told) < POINTS:  # too few to tell
        return None
    for smoothed in _smoothed_rows, _smoothed_columns:
        for part in _zeros(functools.partial(at_first, smoothed)):
            if fits(smoothed(loss.targets, part)):
                return dataclasses.replace(loss, targets=smoothed(loss.targets, part))
    return None


def _smoothed_rows(targets: Array, part: float) -> Array:
    """Return the targets with a part of each spread over all classes: a row is weighted as its class is."""
    return (1 - part) * targets + part * np.diag(targets)[:, None] / len(targets)


def _smoothed_columns(targets: Array, part: float) -> Array:
    """Return those that have the same sums where each ln p is weighted by its own class."""
    sums = np.diag(targets)
    weights = (sums - part * np.mean(sums)) / (1 - part)
    return np.asarray((1 - part) * np.diag(weights) + part * weights / len(targets))


def _zeros(function: Callable[[float], float]) -> Iterator[float]:
    """Yield the parts of a label at which a function changes its sign."""
    for ends in itertools.pairwise(SMOOTHED):
        signs = [math.copysign(1, function(part)) for part in ends]
        if signs[0] == signs[1]:
            continue
        low, high = ends
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if function(middle) * signs[0] > 0 else (low, middle)
        yield low


def _number_of_classes(own: OwnStep, generator: np.random.Generator) -> int:
    """Return how many classes there are; 0 where y holds no classes."""
    if own.y.dtype.kind not in "iufb":
        return 0
    rows = np.moveaxis(own.y, own.axis, 0).reshape(own.rows, -1)
    if rows.shape[1] > 1:
        parts = own.y.ndim == 2 and np.all(rows >= 0) and np.allclose(rows.sum(axis=1), 1, rtol=0, atol=SAME)
        return rows.shape[1] if parts else 0
    if not np.all((rows >= 0) & (rows == np.round(rows))):
        return 0
    known = _classes_that_run(own, generator)
    return known if known > max(1, rows.max()) else 0


def _classes_that_run(own: OwnStep, generator: np.random.Generator) -> int:
    """Return how many classes the step knows: it fails with others, or leaves them out of its loss.

    One that takes any number, as of a target or of two classes only, knows none.
    """
    tiny = own.draw(generator, TINY)

    def knows(k: int) -> bool:
        try:
            y = np.full_like(own.y, k)
            return bool(np.all(y == k)) and own.with_batch(own.x, y).loss(tiny) > NOTHING  # a bool holds two
        except Exception:
            return False

    if knows(MOST_CLASSES):
        return 0
    return next(k for k in range(MOST_CLASSES + 1) if not knows(k))


def _mixtures(own: OwnStep, kinds: int, generator: np.random.Generator) -> Iterator[list[Mixture]]:
    """Yield two batches of copies of one row or of two: random ones, and given ones."""
    if own.rows < 2 * kinds - 1:
        return
    counts = (own.rows,) if kinds == 1 else (own.rows - own.rows // 2, own.rows // 2)
    for rows in (_random_rows(own, generator, 2 * kinds), _given_rows(own, 2 * kinds)):
        chosen = [np.repeat(np.arange(kinds) + kinds * place, counts) for place in (0, 1)]
        yield [
            Mixture(own.with_batch(np.take(rows, of_batch, own.axis), own.y), counts) for of_batch in chosen
        ]


def _random_rows(own: OwnStep, generator: np.random.Generator, number: int) -> Array:
    """Return random rows; the first of the second half is on the other side of 0 from the first of all."""
    shape = list(own.x.shape)
    shape[own.axis] = number
    rows = 2 * generator.normal(size=shape)
    of_first = np.moveaxis(rows, own.axis, 0)
    of_first[number // 2] = -2 * of_first[0]
    return np.asarray(rows.astype(own.x.dtype))


def _given_rows(own: OwnStep, number: int) -> Array:
    """Return some rows of the batch: the first, the one least like it, and some between."""
    rows = np.moveaxis(own.x, own.axis, 0).reshape(own.rows, -1)
    order = np.argsort(np.sum(np.abs(rows - 1.0 * rows[0]), axis=1))
    places = np.linspace(0, own.rows - 1, number).astype(int)
    return np.asarray(np.take(own.x, order[places], own.axis))
