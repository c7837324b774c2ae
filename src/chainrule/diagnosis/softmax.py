"""Does a training step take softmax twice? Its loss and its update betray it, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close
from chainrule.graph.types import Array

ROWS = 4  # that are looked at, one by one
DRAWS = 3  # of random weights
SCALES = (1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4)
EXACT = 1e-6
ALIKE = 1e-4  # for what is read off differences


def one_hot_rows(own: OwnStep) -> list[Array]:
    """Return each of the first rows' classes as a vector of 0 and 1; none where y holds no classes."""
    rows = [own.on_rows([i]).y.ravel() for i in range(min(own.rows, ROWS))]
    if all(row.size > 1 and set(row.tolist()) == {0, 1} and row.sum() == 1 for row in rows):
        return [row.astype(np.float64) for row in rows]
    numbers = own.y.ravel()
    if numbers.size != own.rows or numbers.dtype.kind not in "iu" or numbers.min() < 0:
        return []
    classes = max(own.arrays[-1].shape[-1] if own.arrays[-1].ndim else 1, int(numbers.max()) + 1, 2)
    return [np.eye(classes)[int(row[0])] for row in rows]


def loss_has_two(own: OwnStep, targets: list[Array], generator: np.random.Generator) -> str:
    """Return the evidence that the loss takes softmax twice; empty if there is none.

    The second softmax sees numbers between 0 and 1 only. So however sure the network is, the loss of a row
    stays at ln(e + K - 1) where it is wrong, and at 1 less where it is right, for K classes.
    """
    if not targets:
        return ""
    classes = len(targets[0])
    wrong = math.log(math.e + classes - 1)
    for scale in SCALES:
        hits = 0
        for _ in range(DRAWS):
            arrays = [scale * generator.normal(size=array.shape) for array in own.arrays]
            for row in range(len(targets)):
                loss = own.on_rows([row]).loss(arrays)
                hits += any(
                    close(loss * times, limit, EXACT)
                    for limit in (wrong, wrong - 1)
                    for times in (1, classes)
                )
        if hits > DRAWS * len(targets) / 2:
            return (
                f"however large the weights, a row's loss stays between {wrong - 1:.4f} and {wrong:.4f}, "
                f"which are -ln(e / (e + {classes - 1})) and -ln(1 / (e + {classes - 1}))"
            )
    return ""


def update_has_two(own: OwnStep, targets: list[Array], rate: float) -> str:
    """Return the evidence that the update takes softmax once more than the loss; empty if there is none.

    On one row of class t, the loss is -ln p_t, and its derivatives by the weights from one unit h to the
    outputs are h (p - t). So h and all of p can be read off the loss; and off the update, what p it uses. The
    bias of the output is the case h = 1.
    """
    parts = [own.on_rows([row]) for row in range(len(targets))]
    for array, axis in _places_of_outputs(own, targets):
        read = [
            _probabilities(part, array, axis, target, rate)
            for part, target in zip(parts, targets, strict=True)
        ]
        told = [row for row in read if row is not None]
        if told and all(np.allclose(used, softmax(p), rtol=0, atol=ALIKE) for p, used in told):
            said = ", ".join(f"{number:.3f}" for number in told[0][0])
            return (
                f"in a row the loss says that the probabilities are {said}, and the update uses their softmax"
            )
    return ""


def _places_of_outputs(own: OwnStep, targets: list[Array]) -> Iterator[tuple[int, int]]:
    """Yield the arrays with an axis that is as long as there are classes, and that axis; the last first."""
    for array in reversed(range(len(own.arrays))):
        for axis, size in enumerate(own.arrays[array].shape):
            if targets and size == len(targets[0]):
                yield array, axis


def _probabilities(
    part: OwnStep, array: int, axis: int, target: Array, rate: float
) -> tuple[Array, Array] | None:
    """Return the probabilities of one row by the loss, and by the update; None where they cannot be told."""
    claimed = np.moveaxis(part.claimed(rate)[array], axis, -1)
    unit = np.unravel_index(np.argmax(np.sum(np.abs(claimed), axis=-1)), claimed.shape[:-1])
    places = [(*(int(i) for i in unit[:axis]), k, *(int(i) for i in unit[axis:])) for k in range(len(target))]
    slopes = np.array([part.slope(array, place).value for place in places])
    loss = part.loss(part.arrays)
    for times in (1, len(target)):  # the loss may be a mean over the outputs
        at_target = math.exp(-times * loss)
        h = times * float(slopes @ target) / (at_target - 1) if 0 < at_target < 1 else 0.0
        if not h:
            continue
        p, used = target + times * slopes / h, target + times * claimed[unit] / h
        is_one = np.all(p > 0) and close(float(np.sum(p)), 1.0, ALIKE)
        if is_one and not np.allclose(p, softmax(p), rtol=0, atol=10 * ALIKE):
            return p, used
    return None


def softmax(x: Array) -> Array:
    """Return exp(x) as parts of their sum."""
    y = np.exp(x)
    return np.asarray(y / np.sum(y))
