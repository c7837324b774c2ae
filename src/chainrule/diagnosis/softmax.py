"""Does a training step take softmax twice? Its loss and its update betray it, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.cross_entropy import SAME, CrossEntropy, Mixture
from chainrule.diagnosis.one_vector import LONGEST
from chainrule.diagnosis.own_step import OwnStep
from chainrule.graph.types import Array

SCALES = (1.0, 10.0, 100.0, 1e3)  # of random weights
TELLING = (0.3, 0.9)  # how far apart the ln p of a row are where they tell an inner softmax
TRIALS = 6  # shifts of the logits
ALIKE = 1e-3  # for probabilities
LEAST = 1e-6  # a probability that is told from 0, where 1e-8 may be added before the logarithm
STEP = 1e-5  # of such a weight
Read = Callable[[OwnStep], list[Array]]


def loss_has_two(loss: CrossEntropy, generator: np.random.Generator) -> str:
    """Return the evidence that the loss takes softmax twice; empty if there is none.

    Then ln p is itself a softmax q, up to a constant, and as q sums to 1 it is known. So the ln p of a row
    are never more than 1 apart, however sure the network is; and what is added to all that leads to one
    output multiplies its q as a softmax does, for all outputs at once. Of sigmoids, the first is true, and
    the second is not.
    """
    draws = (loss.own.draw(generator, scale) for scale in SCALES)
    if any(np.any(np.ptp(loss.log_probabilities(arrays), axis=1) > 1 + SAME) for arrays in draws):
        return ""
    points = loss.points(generator, TELLING)
    for outputs in _outputs(loss, points, twice=True):
        if all(_answers_as_softmax(loss, arrays, outputs, generator) for arrays in points):
            q = _inner(loss, points[0])[0]
            return (
                f"the loss takes the softmax of numbers such as {_short(q)}, and these are a softmax "
                "already: they sum to 1, and answer to the weights as a softmax does"
            )
    return ""


def update_has_two(loss: CrossEntropy, used_by: Read, generator: np.random.Generator) -> str:
    """Return the evidence that the update takes softmax once more than the loss; empty if there is none.

    The gradient that a row of class k gives to the weights from a unit h to the outputs is h (c p - m) where
    m are the targets of the class and c is their sum, and what decay adds, which is the same for all rows.
    Two classes tell h, and two batches then tell the p that is used from the one of the loss. The bias of the
    output is the case h = 1.
    """
    points = loss.points(generator)
    found = list(_outputs(loss, points, twice=False))
    for arrays in points:
        read = [[used_by(own.with_arrays(arrays)) for own in _told_apart(batch)] for batch in loss.batches]
        p = np.exp(loss.log_probabilities(arrays))
        for outputs in found:
            of_outputs = [[outputs.of(used) for used in of_batch] for of_batch in read]
            if _uses(loss, of_outputs, softmax(p)) and not _uses(loss, of_outputs, p):
                return (
                    f"where the loss says that the probabilities of a row are {_short(p[0])}, the update "
                    f"uses {_short(softmax(p)[0])}, which is their softmax"
                )
    return ""


def _told_apart(batch: Mixture) -> list[OwnStep]:
    """Return the step with all rows of class 0, and with one after the other of class 1."""
    rows = range(len(batch.counts))
    return [batch.with_one(0, 0), *(batch.with_one(place, 1) for place in rows)]


class Outputs(NamedTuple):
    """Where in an array the weights stand that lead to each output: (weights, classes), flat."""

    array: int
    places: Array

    def of(self, arrays: Sequence[Array]) -> Array:
        """Return these weights."""
        return np.asarray(arrays[self.array].reshape(-1)[self.places])

    def shifted(self, arrays: Sequence[Array], shift: Array) -> list[Array]:
        """Return the arrays with something added to all that leads to each output."""
        moved = [np.array(one) for one in arrays]
        moved[self.array].reshape(-1)[self.places] += shift
        return moved


def _uses(loss: CrossEntropy, read: list[list[Array]], used: Array) -> bool:
    """Whether gradients, by batch, are those of an output layer with these probabilities.

    Of each batch, the first is that of rows of class 0, and the next that with one row of class 1.
    """
    first, second = loss.targets[:2]
    deltas = iter([(np.sum(first) * p - first, np.sum(second) * p - second) for p in used])
    expected, size = [], max(float(np.max(np.abs(one - of[0]))) for of in read for one in of[1:])
    for of_batch in read:
        total = np.zeros_like(of_batch[0])
        for changed in of_batch[1:]:
            zero, one = next(deltas)
            change, by_class = changed - of_batch[0], one - zero
            units = (change @ by_class / (by_class @ by_class))[:, None]
            if not size > 0 or not np.allclose(change, units * by_class, rtol=0, atol=ALIKE * size):
                return False
            total += units * zero
        expected.append(total)
    return np.allclose(read[0][0] - read[1][0], expected[0] - expected[1], rtol=0, atol=ALIKE * size)


def _outputs(loss: CrossEntropy, points: Sequence[list[Array]], twice: bool) -> Iterator[Outputs]:
    """Yield what leads to the outputs: arrays with an axis as long as there are classes; the last first.

    In one long vector of all weights it is found by what it does to the p of a row at these points.
    """
    for array in reversed(range(len(loss.own.arrays))) if points else ():
        shape = loss.own.arrays[array].shape
        places = np.arange(loss.own.arrays[array].size).reshape(shape)
        for axis, size in enumerate(shape):
            if size == loss.classes:
                yield Outputs(array, np.moveaxis(places, axis, -1).reshape(-1, size))
        if len(shape) == 1 and loss.classes < shape[0] <= LONGEST:
            tried = (_in_vector(loss, arrays, array, twice) for arrays in points)
            found = next((places for places in tried if places is not None), None)
            if found is not None:
                yield Outputs(array, found)


def _in_vector(loss: CrossEntropy, arrays: list[Array], array: int, twice: bool) -> Array | None:
    """Return the places in a vector that add to the outputs, (1, classes); None if there are none.

    What is added to the sums before a softmax changes ln p as its Jacobian says, times h for weights from a
    unit h: those of one unit have the same h in every row. The outputs' are looked for from the end.
    """
    p = np.exp(loss.log_probabilities(arrays))
    jacobians = np.eye(loss.classes) - p[:, None, :]  # (row, k, output): of ln p_k
    if twice:
        q = _inner(loss, arrays)
        jacobians = jacobians @ (q[:, :, None] * (np.eye(loss.classes) - q[:, None, :]))
    of_unit: dict[tuple[int, ...], dict[int, int]] = {}
    for place in reversed(range(arrays[array].size)):
        one = Outputs(array, np.array([place]))
        ends = [loss.log_probabilities(one.shifted(arrays, np.array(by))) for by in (STEP, -STEP)]
        change = (ends[0] - ends[1]) / (2 * STEP)
        size = float(np.max(np.abs(change)))
        for output in range(loss.classes) if size > SAME else ():
            column = jacobians[:, :, output]
            units = np.sum(change * column, axis=1) / np.sum(column**2, axis=1)
            if np.allclose(change, units[:, None] * column, rtol=0, atol=ALIKE * size):
                places = of_unit.setdefault(tuple(np.round(units, 3)), {})
                places[output] = place
                if len(places) == loss.classes:
                    return np.array([[places[k] for k in range(loss.classes)]])
    return None


def _inner(loss: CrossEntropy, arrays: list[Array]) -> Array:
    """Return q if p = softmax(q) and q sums to 1, by rows."""
    log_p = loss.log_probabilities(arrays)
    return np.asarray(log_p - np.mean(log_p, axis=1, keepdims=True) + 1 / loss.classes)


def _answers_as_softmax(
    loss: CrossEntropy, arrays: list[Array], outputs: Outputs, generator: np.random.Generator
) -> bool:
    """Whether q is a softmax: adding s to the logits of all outputs makes it q exp(s), as parts of its sum.

    By how much a shift of the weights moves the logits is measured with one shift, and the others must agree.
    """

    def inner(shift: Array) -> Array:
        return _inner(loss, outputs.shifted(arrays, shift))

    q = _inner(loss, arrays)
    step = 1e-3
    for _ in range(2):  # roughly, and then over a distance that tells
        shift = step * _direction(generator, loss.classes)
        gains = _gains(q, inner(shift), shift)
        steepest = float(np.max(np.abs(gains)))
        if not steepest > SAME:
            return False  # it does not lead to the outputs
        step = 1 / steepest
    for size in np.linspace(1, 3, TRIALS):
        shift = size / steepest * _direction(generator, loss.classes)
        expected = softmax(np.log(np.maximum(q, LEAST)) + gains[:, None] * shift)
        if not np.allclose(inner(shift), expected, rtol=0, atol=ALIKE):
            return False
    return True


def _gains(q: Array, moved: Array, shift: Array) -> Array:
    """Return by how much the logits of each row move with a shift; what has a larger q tells it better."""
    rise = np.log(np.maximum(moved, LEAST)) - np.log(np.maximum(q, LEAST))
    parts = np.maximum(q, LEAST)
    centred = shift - np.sum(parts * shift, axis=1, keepdims=True) / np.sum(parts, axis=1, keepdims=True)
    return np.asarray(np.sum(parts * centred * rise, axis=1) / np.sum(parts * centred**2, axis=1))


def _direction(generator: np.random.Generator, classes: int) -> Array:
    """Return a random shift of the outputs, of 1 between the least and the largest."""
    shift = generator.normal(size=classes)
    return np.asarray(shift / np.ptp(shift))


def _short(numbers: Array) -> str:
    return ", ".join(f"{number:.3f}" for number in numbers[:10]) + ", ..." * (numbers.size > 10)


def softmax(x: Array) -> Array:
    """Return exp(x) as parts of the sum of its row."""
    y = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.asarray(y / np.sum(y, axis=-1, keepdims=True))
