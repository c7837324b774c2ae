"""All weights in one long vector, taken apart where the step treats its parts in different ways."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.diagnosis.mistakes import CLEAR, ArrayFinding, Batch, Examiner
from chainrule.diagnosis.own_step import NONE, ROUNDINGS, OwnStep
from chainrule.diagnosis.rules import SIZES
from chainrule.graph.structure import unflatten
from chainrule.graph.types import Array

#: A vector of so many numbers is looked through for matrices whose gradients are transposed, and for the
#: outputs of a softmax; any in so many pieces for the state of a rule.
LONGEST = 2000
#: How well a transposed gradient has to agree at first.
ROUGHLY = 1e-3
#: So many weights of a part that is not trained are looked at for one that the loss depends on.
TRIED = 4
#: So often weights are drawn to see on which of them the loss depends.
DRAWS = 12

#: Where a part begins and ends, and its shape.
Part = tuple[int, int, tuple[int, ...]]


def parts_of_vector(examiner: Examiner, findings: Sequence[ArrayFinding]) -> list[Part]:
    """Return the parts of a step whose weights are all in one vector; none if they are not.

    These are matrices of which the update uses the transposed gradient, what is left as it is, what depends
    on the learning rate, and all else between them.
    """
    if not examiner.own.is_one_vector:
        return []
    kinds, shapes = _kinds(examiner), {}
    rest = [entry for entry in findings[0].entries if kinds[entry[0]] != 0]
    is_wrong = findings[0].kind == "wrong" and bool(rest) and not examiner.agree(rest)
    for start, end, shape in _transposed(examiner) if is_wrong else ():
        kinds[start:end] = -start - 1
        shapes[start, end] = shape
    return [(start, end, shapes.get((start, end), flat)) for start, end, flat in _runs(kinds)]


def state_apart(own: OwnStep, generator: np.random.Generator) -> OwnStep:
    """Return the step with what its loss does not depend on apart, as the state of a rule in the vector."""
    if not own.is_one_vector:
        return own
    matters = np.ones(own.arrays[0].size, bool)
    try:
        for start, end in _Dependence(own, generator).free():
            matters[start:end] = False
    except Exception:  # a step may refuse such numbers
        return own
    parts = _runs(matters)
    return in_parts(own, parts) if len(parts) > 1 else own


class _Dependence:
    """On which numbers of a vector the loss depends: it changes with them, with some random weights at least.

    The vector is halved, and so is each part on which the loss depends, down to one of `LONGEST` pieces. What
    it does not depend on is found to the number, but not where it fills no piece and is not at an end.
    """

    def __init__(self, own: OwnStep, generator: np.random.Generator) -> None:
        self.own, self.size = own, own.arrays[0].size
        self.piece = -(-self.size // LONGEST)
        drawn = [own.draw(generator, SIZES[i % len(SIZES)])[0] for i in range(DRAWS)]
        losses = [own.loss([vector]) for vector in drawn]
        self.places = [
            (vector, vector + generator.normal(size=self.size), loss)
            for vector, loss in zip(drawn, losses, strict=True)
            if np.isfinite(loss)
        ]

    def free(self) -> Iterator[tuple[int, int]]:
        """Yield where what the loss does not depend on begins and ends."""
        if not self.places:
            return
        ends = [(0, 0), (self.size, self.size)]  # where a counter may be
        for start, end in [*ends, *self._free(0, self.size)]:
            before, behind = (range(1, min(self.piece, room) + 1) for room in (start, self.size - end))
            less = bisect_left(before, True, key=lambda by: self.matters(start - by, start))
            more = bisect_left(behind, True, key=lambda by: self.matters(end, end + by))
            yield start - less, end + more

    def _free(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        if not self.matters(start, end):
            yield start, end
        elif end - start > self.piece:
            middle = (start + end) // 2
            yield from self._free(start, middle)
            yield from self._free(middle, end)

    def matters(self, start: int, end: int) -> bool:
        """Whether the loss depends on any of these numbers."""
        for here, there, loss in self.places:
            other = here.copy()
            other[start:end] = there[start:end]
            if self.own.loss([other]) != loss:
                return True
        return False


def _kinds(examiner: Examiner) -> Array:
    """Return 0 for weights that are left as they are, 2 for those that depend on the rate, 1 for others.

    Where some change as much at a smaller rate, these are 2, and nothing is known of the others. Weights
    that have no gradient, as those behind a unit that never fires, are as the one before them.
    """
    used, change = examiner.used[0], examiner.change[0]
    small = examiner.own.change(examiner.rate / 64)[0]
    ignore_rate = (change != 0) & np.isclose(small, change, rtol=1e-3, atol=0)
    kinds = np.where(ignore_rate if ignore_rate.any() else examiner.depend_on_rate(0), 2, 1)
    idle = (change == 0) & (used == 0)
    runs = [list(run) for is_idle, run in itertools.groupby(range(used.size), lambda i: idle[i]) if is_idle]
    kinds[idle] = -1
    for run in runs:
        slopes = [examiner.own.slope(0, (place,)) for place in run[:: max(1, len(run) // TRIED)]]
        if any(abs(slope.value) > CLEAR * slope.uncertainty for slope in slopes):
            kinds[run] = 0
    known = np.maximum.accumulate(np.where(kinds >= 0, np.arange(kinds.size), 0))
    return np.asarray(kinds[known])


def _transposed(examiner: Examiner) -> Iterator[Part]:
    """Yield the matrices in the vector of which the update uses the transposed gradient."""
    size = examiner.own.arrays[0].size
    if size > LONGEST:
        return
    where = examiner.comparisons[1][0]
    assert where.minus is not None
    used = where.batch.used[0] - where.minus.used[0]  # what is the same for all batches, as decay, is no part
    true = _derivatives(where.batch) - _derivatives(where.minus)
    noise = sum(_noise(batch) for batch in (where.batch, where.minus))
    start = 0
    for wrong in np.flatnonzero(~_alike(used, true, noise)):
        if wrong > start:  # the first number of a matrix is in its place
            matrix = _matrix(used[wrong - 1 :], true[wrong - 1 :], noise)
            if matrix:
                yield int(wrong) - 1, int(wrong) - 1 + matrix[0] * matrix[1], matrix
                start = int(wrong) - 1 + matrix[0] * matrix[1]


def _matrix(used: Array, true: Array, noise: float) -> tuple[int, int] | None:
    """Return the shape of the largest matrix at the start that is used transposed: rows and columns."""
    widths = 2 + np.flatnonzero(_alike(true[2:], used[1], noise))
    shapes = [(int(rows), int(width)) for width in widths for rows in range(2, true.size // width + 1)]
    for rows, columns in sorted(shapes, key=lambda shape: -shape[0] * shape[1]):
        size = rows * columns
        turned = true[:size].reshape(rows, columns).T.ravel()
        if np.all(_alike(used[:size], turned, noise)):
            return rows, columns
    return None


def _runs(kinds: Array) -> list[Part]:
    """Return the parts that are of one kind."""
    ends = [0, *(int(i) for i in np.flatnonzero(kinds[1:] != kinds[:-1]) + 1), kinds.size]
    return [(start, end, (end - start,)) for start, end in itertools.pairwise(ends)]


def in_parts(own: OwnStep, parts: Sequence[Part]) -> OwnStep:
    """Return the step as one of these parts of its vector."""

    def step(given: Sequence[Array], x: Array, y: Array, learning_rate: float) -> Any:
        vector = np.concatenate([np.ravel(part) for part in given])
        loss, new = own.step(unflatten(own.structure, [vector]), x, y, learning_rate)
        vector = np.asarray(own.leaves(new)[0])
        return loss, [vector[start:end].reshape(shape) for start, end, shape in parts]

    vector = own.arrays[0]
    other = OwnStep(step, [vector[start:end].reshape(shape) for start, end, shape in parts], own.x, own.y)
    other.single = own.single
    other.names = [f"{own.names[0]}[{start}:{end}]" for start, end, _ in parts]
    return other


def _alike(used: Array, true: Array, noise: float) -> Array:
    """Return which numbers are the same, as far as they are known."""
    return np.asarray(np.abs(used - true) <= ROUGHLY * np.maximum(np.abs(used), np.abs(true)) + noise)


def _step(batch: Batch) -> float:
    """Return how far weights are moved for a difference."""
    epsilon = batch.own(batch.own.arrays, NONE).epsilon
    return float(np.cbrt(epsilon) * (np.mean(np.abs(batch.own.arrays[0])) or 1.0))  # all weights may be 0


def _noise(batch: Batch) -> float:
    """Return by how much the rounding of the loss may change what differences tell."""
    epsilon = batch.own(batch.own.arrays, NONE).epsilon
    return ROUNDINGS * epsilon * abs(batch.loss) / _step(batch)


def _derivatives(batch: Batch) -> Array:
    """Return the derivatives of the loss by the weights of a vector, roughly."""
    own, (vector,) = batch.own, batch.own.arrays
    here, by = np.array(vector), _step(batch)
    slopes = np.empty_like(vector)
    for place, weight in enumerate(vector):
        here[place] = weight + by
        above = own.loss([here])
        here[place] = weight - by
        slopes[place] = (above - own.loss([here])) / (2 * by)
        here[place] = weight
    return slopes
