"""Does a training step take softmax twice? Its loss and its update betray it, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from chainrule.diagnosis.cross_entropy import SAME, CrossEntropy
from chainrule.diagnosis.own_step import OwnStep
from chainrule.graph.types import Array

SCALES = (1.0, 10.0, 100.0, 1e3)  # of random weights
TELLING = (0.3, 0.9)  # how far apart the ln p of a row are where they tell an inner softmax
TRIALS = 6  # shifts of the logits
ALIKE = 1e-3  # for probabilities
LEAST = 1e-6  # a probability that is told from 0, where 1e-8 may be added before the logarithm
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
    for array, axis in _outputs(loss):
        if points and all(_answers_as_softmax(loss, arrays, array, axis, generator) for arrays in points):
            q = _inner(loss, points[0])[0]
            return (
                f"the loss takes the softmax of numbers such as {_short(q)}, and these are a softmax "
                "already: they sum to 1, and answer to the weights as a softmax does"
            )
    return ""


def update_has_two(loss: CrossEntropy, used_by: Read, generator: np.random.Generator) -> str:
    """Return the evidence that the update takes softmax once more than the loss; empty if there is none.

    The gradient that a row of class t gives to the weights from a unit h to the outputs is h (p - t), and
    what decay adds, which is the same for all rows. Two classes tell h, and two rows then tell the p that is
    used from the one of the loss. The bias of the output is the case h = 1.
    """
    for arrays in loss.points(generator):
        first, second = ([used_by(batch.with_arrays(arrays)) for batch in row[:2]] for row in loss.batches)
        p = np.exp(loss.log_probabilities(arrays))
        for array, axis in _outputs(loss):
            read = [[np.moveaxis(used[array], axis, -1) for used in of_row] for of_row in (first, second)]
            if _uses(read, p, softmax(p)) and not _uses(read, p, p):
                return (
                    f"where the loss says that the probabilities of a row are {_short(p[0])}, the update "
                    f"uses {_short(softmax(p)[0])}, which is their softmax"
                )
    return ""


def _uses(read: list[list[Array]], p: Array, used: Array) -> bool:
    """Whether gradients, by row and class, are those of an output layer with these probabilities."""
    target = np.eye(p.shape[1])
    units = [one[..., :1] - zero[..., :1] for zero, one in read]
    size = max(float(np.max(np.abs(unit))) for unit in units)
    is_output = size > 0 and all(
        np.allclose(one - zero, unit * (target[0] - target[1]), rtol=0, atol=ALIKE * size)
        for (zero, one), unit in zip(read, units, strict=True)
    )
    expected = [unit * (row - target[0]) for unit, row in zip(units, used, strict=True)]
    found = read[0][0] - read[1][0]
    return is_output and np.allclose(found, expected[0] - expected[1], rtol=0, atol=ALIKE * size)


def _outputs(loss: CrossEntropy) -> Iterator[tuple[int, int]]:
    """Yield the arrays with an axis that is as long as there are classes, and that axis; the last first."""
    for array in reversed(range(len(loss.own.arrays))):
        for axis, size in enumerate(loss.own.arrays[array].shape):
            if size == loss.classes:
                yield array, axis


def _inner(loss: CrossEntropy, arrays: list[Array]) -> Array:
    """Return q if p = softmax(q) and q sums to 1, by rows."""
    log_p = loss.log_probabilities(arrays)
    return np.asarray(log_p - np.mean(log_p, axis=1, keepdims=True) + 1 / loss.classes)


def _answers_as_softmax(
    loss: CrossEntropy, arrays: list[Array], array: int, axis: int, generator: np.random.Generator
) -> bool:
    """Whether q is a softmax: adding s to the logits of all outputs makes it q exp(s), as parts of its sum.

    By how much a shift of the weights moves the logits is measured with one shift, and the others must agree.
    """

    def inner(shift: Array) -> Array:
        shifted = [one.copy() for one in arrays]
        np.moveaxis(shifted[array], axis, -1)[...] += shift
        return _inner(loss, shifted)

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
