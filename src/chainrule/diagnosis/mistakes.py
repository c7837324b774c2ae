"""What is wrong with the gradient of one array: it is compared with what classic mistakes would give."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close, smallest
from chainrule.gradient.differences import Slope
from chainrule.graph.types import Array

Index = tuple[int, ...]
Entries = list[tuple[Index, float, Slope]]  # where, what the update uses, and the derivative of the loss
#: A derivative is surely not 0 if it is so many times its uncertainty, which in float32 is far too careful.
CLEAR, CLEAR_IN_SINGLE = 100, 10
#: So many rows are looked at for two that tell most.
ROWS_TRIED = 6


@dataclass
class ArrayFinding:
    """How an array's gradient, as the step uses it, compares with the derivative of the step's loss.

    Attributes
    ----------
    name : str
        The array.
    size : int
        How many weights it has.
    entries : list of (index, used, slope)
        What was compared.
    kind : str
        "right", "untrained", "scaled", "transposed", "wrong"; "row untrained": a bias that is a row or a
        column of a matrix is left as it is, and the rest is right; or "decayed": what is used and what is
        true differ by a multiple of the weights, or of their signs.
    factor : float
        What the derivative is multiplied by, where that is all that is wrong (besides transposition).
    power : int
        The power of the number of rows in this factor: 1 where it is a sum and should be a mean. Where the
        kind is "wrong", whether it grows with the number of rows and the loss does not.
    decay, decay_of : float, str
        That multiple, and of what: "the weight" or "its sign".
    error : float
        The largest relative error.
    """

    name: str
    size: int
    entries: Entries
    kind: str = "right"
    factor: float = 1.0
    power: int = 0
    decay: float = 0.0
    decay_of: str = ""
    error: float = 0.0
    worst: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether a derivative of the loss is surely not 0."""
        return any(abs(slope.value) > CLEAR * slope.uncertainty for _, _, slope in self.entries)

    def __str__(self) -> str:
        index, used, slope = self.entries[self.worst]
        place = f"{self.name}[{', '.join(map(str, index))}]" if index else self.name
        return f"at {place} the update uses {used:.6g}, and the loss changes by {slope.value:.6g}"


def names_of(findings: Iterable[ArrayFinding]) -> str:
    """Return the names of arrays, as a list in a sentence."""
    return ", ".join(found.name for found in findings)


class Batch:
    """The step on one batch: the gradient that it uses, and the derivatives of its loss."""

    def __init__(self, own: OwnStep, read: Callable[[OwnStep], list[Array]]) -> None:
        self.own, self.used = own, read(own)
        self.slope = functools.cache(own.slope)
        self.loss = own.loss(own.arrays)


class Comparison(NamedTuple):
    """Batches on which used and true gradients are compared; those of the second are taken off the first's.

    What is the same for all batches, as weight decay, cancels.
    """

    batch: Batch
    minus: Batch | None = None


class Examiner:
    """Compares the gradients that a step uses with the derivatives of its loss.

    Parameters
    ----------
    own : OwnStep
        The step.
    rate : float
        A usual learning rate.
    samples : int
        How many entries of an array are compared.
    tolerance : float
        The relative error up to which they agree.
    generator : Generator
        Draws the entries.
    """

    def __init__(
        self, own: OwnStep, rate: float, samples: int, tolerance: float, generator: np.random.Generator
    ) -> None:
        self.own, self.rate = own, rate
        self.samples, self.tolerance, self.generator = samples, tolerance, generator
        self.change = own.change(rate)
        small = own.change(rate / 64)
        epsilon = own(own.arrays, rate).epsilon
        self.noise = [8 * epsilon * _largest(array) / (rate * smallest(epsilon)) for array in own.arrays]
        moved = [i for i, change in enumerate(self.change) if np.any(change)]
        self.ignores_rate = bool(moved) and all(
            np.allclose(self.change[i], small[i], rtol=1e-3, atol=0) for i in moved
        )
        self.whole = Batch(own, self.used_by)
        self.used = self.whole.used

    def used_by(self, own: OwnStep) -> list[Array]:
        """Return the gradients that a step uses; known up to a factor where it ignores the learning rate."""
        if self.ignores_rate:
            return [change / self.rate for change in own.change(self.rate)]
        return own.claimed(self.rate)

    def depends_on_rate(self, array: int) -> bool:
        """Whether the gradient of an array is another at a usual learning rate than at a small one."""
        usual, least = self.change[array] / self.rate, self.noise[array]
        difference = _largest(usual - self.used[array])
        return not self.ignores_rate and difference > 1e-5 * _largest(self.used[array]) + 4 * least

    def growth(self, array: int) -> int:
        """Return 1 if the gradient grows with the number of rows and the loss does not, -1 the other way."""
        twice = self._twice
        if twice is None:
            return 0
        used, more = self.used[array], _largest(twice.used[array] - self.used[array])
        return (more > 1e-3 * _largest(used)) - (not close(twice.loss, self.whole.loss, 1e-6))

    def examine(self, array: int) -> ArrayFinding:
        """Compare one array."""
        indices = self._indices(self.used[array])
        entries = self._entries(array, indices, Comparison(self.whole))
        found = ArrayFinding(self.own.names[array], self.own.arrays[array].size, entries)
        if entries and not self._agree(array, entries):
            entries = found.entries = [e for e in entries if not self.own.has_kink(array, e[0])]
        if entries and not self._agree(array, entries):
            found.kind = "wrong" if np.any(self.change[array]) else "untrained"
            if found.kind == "wrong" and self._leaves_one_line(array, entries):
                found.kind = "row untrained"
            elif found.kind == "wrong":
                self._name(array, found)
        self._measure(found)
        return found

    def fits(self, array: int, found: ArrayFinding, batch: Batch) -> bool | None:
        """Return whether what was found of an array holds on a batch; None where that cannot be told."""
        indices = self._indices(self.used[array])
        entries = self._entries(array, indices, Comparison(batch), mirrored=found.kind == "transposed")
        clear = any(abs(slope.value) > CLEAR * slope.uncertainty for _, _, slope in entries)
        if not clear or found.kind in ("untrained", "row untrained"):
            return None
        weights = batch.own.arrays[array]
        base = weights if found.decay_of == "the weight" else np.sign(weights)
        entries = [(index, used - found.decay * float(base[index]), slope) for index, used, slope in entries]
        return self._agree(array, entries, found.factor)

    def _leaves_one_line(self, array: int, entries: Entries) -> bool:
        """Whether all is right but for a row or column that the step leaves as it is."""
        for axis, lines in enumerate(_idle(self.used[array])):
            rest = [entry for entry in entries if entry[0][axis] not in lines]
            if len(lines) == 1 and rest and self._agree(array, rest):
                return True
        return False

    def _name(self, array: int, found: ArrayFinding) -> None:
        """Note it if a gradient is wrong by a factor, or transposed: by the same factor on every batch."""
        indices = [index for index, _, _ in found.entries]
        for first, other, twice in self._comparisons:
            for mirrored in (False, True):
                read = functools.partial(self._entries, array, indices, mirrored=mirrored)
                entries = read(first)
                factor = self._factor(array, entries)
                if not factor or not self._agree(array, read(other), factor):
                    continue
                is_one = self._agree(array, entries)
                if is_one and not mirrored:  # what is wrong does not depend on the batch
                    self._name_decay(array, found)
                    return
                found.kind = "transposed" if mirrored else "scaled"
                if not is_one:
                    found.factor = factor
                    found.power = self._power(factor, twice and self._factor(array, read(twice)))
                return

    def _name_decay(self, array: int, found: ArrayFinding) -> None:
        """Note it if what is used and what is true differ by a multiple of the weights, or of their signs."""
        weights = np.array([self.own.arrays[array][index] for index, _, _ in found.entries])
        used, true = np.array([(used, slope.value) for _, used, slope in found.entries]).T
        doubts = np.array([10 * slope.uncertainty for _, _, slope in found.entries])
        least = self._least(array, found.entries) + doubts
        least += self.tolerance * np.maximum(np.abs(used), np.abs(true))
        for base, word in ((weights, "the weight"), (np.sign(weights), "its sign")):
            if not np.any(base):
                return
            factor = float((used - true) @ base / (base @ base))
            if np.all(np.abs(used - true - factor * base) <= least):
                found.kind, found.decay, found.decay_of = "decayed", factor, word
                return

    @functools.cached_property
    def _twice(self) -> Batch | None:
        """The batch with every row twice; none if the step is made for one number of rows."""
        try:
            return Batch(self.own.on_rows([*range(self.own.rows)] * 2), self.used_by)
        except Exception:
            return None

    @functools.cached_property
    def _comparisons(self) -> list[tuple[Comparison, Comparison, Comparison | None]]:
        """What to compare on: batches, others, and the first with every row twice; without decay at last."""
        whole, twice = self.whole, self._twice
        (row, first), (_, last) = self._telling_rows()
        if twice is None:
            doubled: list[Comparison | None] = [None, None]
        else:
            more = Batch(self.own.on_rows([row] * 2 * self.own.rows), self.used_by)
            doubled = [Comparison(twice), Comparison(twice, more)]
        return [
            (Comparison(whole), Comparison(first), doubled[0]),
            (Comparison(whole, first), Comparison(whole, last), doubled[1]),
        ]

    def _telling_rows(self) -> list[tuple[int, Batch]]:
        """Return two rows, and batches of copies of each: those that change most weights.

        In a row that no unit of a layer lets through, the sums of the next are its biases: with biases of 0
        they stand at kinks.
        """
        rows = self.own.rows
        tried = [int(row) for row in np.unique(np.linspace(0, rows - 1, ROWS_TRIED).astype(int))]
        batches = [(row, Batch(self.own.on_rows([row] * rows), self.used_by)) for row in tried]
        batches.sort(key=lambda pair: sum(map(np.count_nonzero, pair[1].used)), reverse=True)
        return (2 * batches)[:2]

    def _indices(self, used: Array) -> list[Index]:
        """Return the places to compare: all of a small array, some of a large one, with the steepest."""
        places = np.arange(used.size)
        if used.size > self.samples:
            steepest = int(np.argmax(np.abs(used)))
            others = self.generator.choice(np.delete(places, steepest), self.samples - 1, replace=False)
            places = np.unique([steepest, *others, *_in_idle_lines(used)])
        return [tuple(int(i) for i in np.unravel_index(place, used.shape)) for place in places]

    def _entries(
        self, array: int, indices: Sequence[Index], where: Comparison, mirrored: bool = False
    ) -> Entries:
        """Return what is used and what is true; the truth of the mirrored place for a transposed gradient."""
        shape = self.own.arrays[array].shape
        if mirrored and (len(shape) != 2 or min(shape) < 2):
            return []
        entries: Entries = []
        for index in indices:
            place = _mirror(index, shape) if mirrored else index
            used, slope = float(where.batch.used[array][index]), where.batch.slope(array, place)
            if where.minus is not None:
                other = where.minus.slope(array, place)
                used -= float(where.minus.used[array][index])
                slope = Slope(slope.value - other.value, slope.uncertainty + other.uncertainty)
            if math.isfinite(slope.value):
                entries.append((index, used, slope))
        return entries

    def _least(self, array: int, entries: Entries) -> float:
        """Return the difference that cannot be told from none, apart from each slope's own uncertainty."""
        return self.noise[array] + 1e-8 * max(abs(slope.value) for _, _, slope in entries)

    def _agree(self, array: int, entries: Entries, factor: float = 1.0) -> bool:
        least = self._least(array, entries) * abs(factor)
        return all(
            close(used, factor * slope.value, self.tolerance, least + 10 * abs(factor) * slope.uncertainty)
            for _, used, slope in entries
        )

    def _factor(self, array: int, entries: Entries) -> float:
        """Return the number times which the truth is what is used; 0 if there is none."""
        squares = sum(slope.value**2 for _, _, slope in entries)
        factor = sum(used * slope.value for _, used, slope in entries) / squares if squares else 0.0
        enough = CLEAR_IN_SINGLE if self.own.single else CLEAR
        clear = [slope for _, _, slope in entries if abs(slope.value) > enough * slope.uncertainty]
        return factor if factor and clear and self._agree(array, entries, factor) else 0.0

    def _power(self, factor: float, twice: float | None) -> int:
        """Return the power of the number of rows in the factor: that of 2 where there are twice as many."""
        if not twice:
            near = abs(factor) / self.own.rows
            return 1 if any(close(near, times, 1e-3) for times in (0.5, 1, 2)) else 0
        power = math.log2(abs(twice / factor))
        return round(power) if close(power, round(power), 1e-2, 1e-2) else 0

    def _measure(self, found: ArrayFinding) -> None:
        """Note the largest relative error; tiny derivatives count as a part of the largest."""
        largest = max((abs(slope.value) for _, _, slope in found.entries), default=0.0)
        errors = [
            abs(used - slope.value) / (max(abs(used), abs(slope.value), 1e-3 * largest) or 1.0)
            for _, used, slope in found.entries
        ]
        if errors:
            found.worst = int(np.argmax(errors))
            found.error = errors[found.worst]


def _idle(used: Array) -> tuple[list[int], ...]:
    """Return the rows and the columns of a matrix in which a step changes nothing, where it changes some."""
    if used.ndim != 2 or not used.any():
        return ()
    return tuple([int(line) for line in np.flatnonzero(~used.any(axis=1 - axis))] for axis in (0, 1))


def _in_idle_lines(used: Array) -> list[int]:
    """Return a place in the only row or column that a step leaves as it is."""
    places = np.arange(used.size).reshape(used.shape)
    return [
        int(np.take(places, lines[0], axis).flat[0])
        for axis, lines in enumerate(_idle(used))
        if len(lines) == 1
    ]


def _mirror(index: Index, shape: tuple[int, ...]) -> Index:
    """Return where an element of the transpose, written into the shape, comes from."""
    place = int(np.ravel_multi_index(index, shape))
    return place % shape[0], place // shape[0]


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))
