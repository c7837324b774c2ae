"""What is wrong with the gradient of one array: it is compared with what classic mistakes would give."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, Reading, close, largest
from chainrule.gradient.differences import Slope
from chainrule.graph.types import Array
from chainrule.graph.words import subscript

Index = tuple[int, ...]
Mirror = Callable[[Index], Index]  # where an element of a transposed gradient comes from
Entries = list[tuple[Index, float, Slope]]  # where, what the update uses, and the derivative of the loss
#: A derivative is surely not 0 if it is so many times its uncertainty.
CLEAR = 100
#: Two numbers are surely different if they differ by so many times their uncertainty.
DOUBTS = 10
#: What is known better than to this part of the largest derivative is known equally well.
EQUAL = 1e-6
#: A factor that may be off by more than this part of it is not named, unless it is the number of rows.
VAGUE = 1e-2
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
        column of a matrix is left as it is, and the rest is right but for `factor` and `mirror`; or
        "decayed": what is used and what is true differ by a multiple of the weights, or of their signs.
    factor : float
        What the derivative is multiplied by, where that is all that is wrong (besides transposition).
    power : int
        The power of the number of rows in this factor: 1 where it is a sum and should be a mean. Where the
        kind is "wrong", whether it grows with the number of rows and the loss does not.
    doubt : float
        By which part of it this factor may be off.
    mirror : Mirror, optional
        How a transposed gradient is mirrored.
    decay, decay_of : float, str
        That multiple, and of what: "the weight" or "its sign".
    power_of_rate : int
        How often the update has the learning rate as a factor; where it has not, `factor` says nothing.
    error : float
        The largest relative error.
    """

    name: str
    size: int
    entries: Entries
    kind: str = "right"
    factor: float = 1.0
    power: int = 0
    doubt: float = 0.0
    mirror: Mirror | None = None
    decay: float = 0.0
    decay_of: str = ""
    power_of_rate: int = 1
    error: float = 0.0
    worst: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether a derivative of the loss, or what is used for it, is surely not 0."""
        return any(
            max(abs(used), abs(slope.value)) > CLEAR * slope.uncertainty for _, used, slope in self.entries
        )

    @property
    def has_slope(self) -> bool:
        """Whether the loss surely changes with it."""
        return _are_clear(self.entries)

    @property
    def is_hidden(self) -> bool:
        """Whether nothing is wrong with it that could be seen, and nothing could be seen."""
        return self.kind == "right" and not self.is_clear

    @property
    def is_wrong(self) -> bool:
        """Whether the gradient is not the derivative, but for what decays."""
        return self.kind not in ("right", "decayed")

    def __str__(self) -> str:
        index, used, slope = self.entries[self.worst]
        place = self.name + subscript(index)
        return f"at {place} the update uses {used:.6g}, and the loss changes by {slope.value:.6g}"


def names_of(findings: Iterable[ArrayFinding]) -> str:
    """Return the names of arrays, as a list in a sentence."""
    return ", ".join(found.name for found in findings)


class Batch:
    """The step on one batch: the gradient that it uses, and the derivatives of its loss."""

    def __init__(self, own: OwnStep, read: Callable[[OwnStep], Reading]) -> None:
        self.own = own
        self.used, self.noise = read(own)
        self.slope = functools.cache(own.slope)
        self.loss = own.loss(own.arrays)

    def compared(self, array: int, index: Index, place: Index) -> tuple[float, Slope]:
        """Return what is used at an index, and the derivative at a place, as uncertain as both are."""
        slope = self.slope(array, place)
        doubt = slope.uncertainty + self.noise[array] / DOUBTS
        return float(self.used[array][index]), Slope(slope.value, doubt)


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
        self.epsilon = own(own.arrays, rate).epsilon
        self.powers = self._powers_of_rate()
        self.whole = Batch(own, self.reading_of)
        self.used = self.whole.used

    def _powers_of_rate(self) -> list[int]:
        """Return how often each array's change has the learning rate as a factor: never, once, or twice.

        Where a gradient is only that of weights updated too early, it is twice, too: the loss has no slope.
        """
        small, powers = self.own.change(self.rate / 64), [1] * len(self.change)
        times = 64 if self.epsilon > np.finfo(np.float64).eps else 1  # float32 hides small changes
        usual, quarter = (self.own.change(times * self.rate / divisor) for divisor in (1, 4))
        for i, change in enumerate(self.change):
            most = largest(usual[i])
            noise = 128 * self.epsilon * max(most, largest(self.own.arrays[i]))
            if np.any(change) and np.allclose(small[i], change, rtol=1e-3, atol=0):
                powers[i] = 0
            elif most > CLEAR * noise and np.allclose(16 * quarter[i], usual[i], rtol=1e-3, atol=noise):
                steepest = np.unravel_index(int(np.argmax(np.abs(usual[i]))), change.shape)
                slope = self.own.slope(i, tuple(map(int, steepest)))
                powers[i] += abs(slope.value) > CLEAR * slope.uncertainty
        return powers

    def reading_of(self, own: OwnStep) -> Reading:
        """Return the gradients that a step uses; known up to a factor where it ignores the learning rate."""
        others = [i for i, power in enumerate(self.powers) if power != 1]
        if not others:
            return own.claimed(self.rate)
        usual = own.at(self.rate)
        found = own.claimed(self.rate) if 1 in self.powers else usual
        for i in others:
            by = self.rate if self.powers[i] == 2 else 1.0
            found.used[i], found.noise[i] = usual.used[i] / by, usual.noise[i] / by
        return found

    def used_by(self, own: OwnStep) -> list[Array]:
        """Return them without their noise."""
        return self.reading_of(own).used

    def depend_on_rate(self, array: int) -> Array:
        """Return which gradients of an array are others at a usual learning rate than at a small one."""
        used, least = self.used[array], 1e-5 * largest(self.used[array]) + 4 * self.whole.noise[array]
        found = np.zeros(used.shape, bool)
        for other, noise in self._readings if self.powers[array] == 1 else ():
            found |= np.abs(other[array] - used) > least + 4 * noise[array]
        return found

    @functools.cached_property
    def _readings(self) -> list[Reading]:
        """What is used at the usual rate; in float32, which hides small changes, at larger ones, too."""
        is_single = self.epsilon > np.finfo(np.float64).eps
        return list(self.own.larger(self.rate)) if is_single else [self.own.at(self.rate)]

    def growth(self, array: int) -> int:
        """Return 1 if the gradient grows with the number of rows and the loss does not, -1 the other way."""
        twice = self._twice
        if twice is None:
            return 0
        used, more = self.used[array], largest(twice.used[array] - self.used[array])
        return (more > 1e-3 * largest(used)) - (not close(twice.loss, self.whole.loss, 1e-6))

    def examine(self, array: int) -> ArrayFinding:
        """Compare one array."""
        indices = self._indices(self.used[array])
        entries = self._entries(array, indices, Comparison(self.whole))
        found = ArrayFinding(
            self.own.names[array], self.own.arrays[array].size, entries, power_of_rate=self.powers[array]
        )
        if entries and not self.agree(entries):
            entries = found.entries = [e for e in entries if not self.own.has_kink(array, e[0])]
        if entries and not self.agree(entries):
            found.kind = "wrong" if np.any(self.change[array]) else "untrained"
            if found.kind == "wrong" and not self._leaves_one_line(array, found):
                self._name(array, found)
        self._measure(found)
        return found

    def fits(self, array: int, found: ArrayFinding, batch: Batch) -> bool | None:
        """Return whether what was found of an array holds on a batch; None where that cannot be told."""
        indices = self._indices(self.used[array])
        entries = self._entries(array, indices, Comparison(batch), mirror=found.mirror)
        if not _are_clear(entries) or found.kind in ("untrained", "row untrained"):
            return None
        weights = batch.own.arrays[array]
        base = weights if found.decay_of == "the weight" else np.sign(weights)
        entries = [(index, used - found.decay * float(base[index]), slope) for index, used, slope in entries]
        return self.agree(entries, found.factor)

    def _leaves_one_line(self, array: int, found: ArrayFinding) -> bool:
        """Note it if a row or column is left as it is, and the rest is right, or wrong by a factor."""
        for axis, lines in enumerate(_idle(self.used[array])):
            idle = [entry for entry in found.entries if entry[0][axis] in lines]
            rest = dataclasses.replace(found, entries=[e for e in found.entries if e[0][axis] not in lines])
            if len(lines) != 1 or not rest.entries or not idle or self.agree(idle):
                continue
            is_right = self.agree(rest.entries)
            if not is_right:
                self._name(array, rest)
            if is_right or rest.kind in ("scaled", "transposed"):
                found.kind, found.factor, found.mirror = "row untrained", rest.factor, rest.mirror
                found.power, found.doubt = rest.power, rest.doubt
                return True
        return False

    def _name(self, array: int, found: ArrayFinding) -> None:
        """Note it if a gradient is wrong by a factor, or transposed: by the same factor on every batch."""
        indices = [index for index, _, _ in found.entries]
        for first, other, twice in self.comparisons:
            for mirror in (None, *_mirrors(self.own.arrays[array].shape)):
                read = functools.partial(self._entries, array, indices, mirror=mirror)
                entries = read(first)
                factor = self._factor(entries)
                doubt = _fit(entries)[1]
                if not factor or not self._holds(read(other), factor, doubt):
                    continue
                is_one = self.agree(entries)
                if is_one and not mirror:  # what is wrong does not depend on the batch
                    self._name_decay(array, found)
                    return
                power = 0 if is_one else self._power(factor, twice and self._factor(read(twice)), doubt)
                rest = factor / float(self.own.rows) ** power
                if not close(abs(rest), 1, 1e-3 + doubt):
                    elsewhere = self._entries(array, indices, self._elsewhere, mirror)
                    if doubt > VAGUE or (_are_clear(elsewhere) and not self._holds(elsewhere, factor, doubt)):
                        return  # at small weights a slope may be one factor, too
                found.kind, found.mirror = "transposed" if mirror else "scaled", mirror
                if not is_one:
                    found.factor, found.doubt, found.power = factor, doubt, power
                return

    def _holds(self, entries: Entries, factor: float, doubt: float) -> bool:
        """Whether a factor, known up to a part of it, is that of other entries, too."""
        other = self._factor(entries)
        return (
            close(other, factor, self.tolerance + doubt + _fit(entries)[1])
            if other
            else self.agree(entries, factor)
        )

    @functools.cached_property
    def _elsewhere(self) -> Comparison:
        """Batches at other weights."""
        own = self.own.with_arrays(self.own.fresh(self.generator))
        row = own.on_rows([0] * own.rows)
        return Comparison(Batch(own, self.reading_of), Batch(row, self.reading_of))

    def _name_decay(self, array: int, found: ArrayFinding) -> None:
        """Note it if what is used and what is true differ by a multiple of the weights, or of their signs."""
        weights = np.array([self.own.arrays[array][index] for index, _, _ in found.entries])
        used, true = np.array([(used, slope.value) for _, used, slope in found.entries]).T
        doubts = np.array([DOUBTS * slope.uncertainty for _, _, slope in found.entries])
        least = self._least(found.entries) + doubts
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
            return Batch(self.own.on_rows([*range(self.own.rows)] * 2), self.reading_of)
        except Exception:
            return None

    @functools.cached_property
    def comparisons(self) -> list[tuple[Comparison, Comparison, Comparison | None]]:
        """What to compare on: batches, others, and the first with every row twice; without decay at last."""
        whole, twice = self.whole, self._twice
        (row, first), (_, last) = self._telling_rows()
        if twice is None:
            doubled: list[Comparison | None] = [None, None]
        else:
            more = Batch(self.own.on_rows([row] * 2 * self.own.rows), self.reading_of)
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
        batches = [(row, Batch(self.own.on_rows([row] * rows), self.reading_of)) for row in tried]
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
        self, array: int, indices: Sequence[Index], where: Comparison, mirror: Mirror | None = None
    ) -> Entries:
        """Return what is used and what is true; the truth of the mirrored place for a transposed gradient."""
        entries: Entries = []
        for index in indices:
            place = mirror(index) if mirror else index
            used, slope = where.batch.compared(array, index, place)
            if where.minus is not None:
                less, other = where.minus.compared(array, index, place)
                used -= less
                slope = Slope(slope.value - other.value, slope.uncertainty + other.uncertainty)
            if math.isfinite(slope.value):
                entries.append((index, used, slope))
        return entries

    def _least(self, entries: Entries) -> float:
        """Return the difference that cannot be told from none, apart from each slope's own uncertainty."""
        return max(1e-8, 64 * self.epsilon) * max(abs(slope.value) for _, _, slope in entries)

    def agree(self, entries: Entries, factor: float = 1.0) -> bool:
        """Whether what is used is a factor times the truth, as far as it is known."""
        least = self._least(entries) * abs(factor)
        return all(
            close(
                used, factor * slope.value, self.tolerance, least + DOUBTS * abs(factor) * slope.uncertainty
            )
            for _, used, slope in entries
        )

    def _factor(self, entries: Entries) -> float:
        """Return the number times which the truth is what is used; 0 if there is none."""
        factor, _ = _fit(entries)
        return factor if factor and _are_clear(entries) and self.agree(entries, factor) else 0.0

    def _power(self, factor: float, twice: float | None, doubt: float) -> int:
        """Return the power of the number of rows in the factor: that of 2 where there are twice as many."""
        if not twice:
            near = abs(factor) / self.own.rows
            return 1 if any(close(near, times, 1e-3) for times in (0.5, 1, 2)) else 0
        power = math.log2(abs(twice / factor))
        return round(power) if close(power, round(power), 1e-2, 1e-2 + 2 * doubt) else 0

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


def _are_clear(entries: Entries) -> bool:
    """Whether a derivative is surely not 0."""
    return any(abs(slope.value) > CLEAR * slope.uncertainty for _, _, slope in entries)


def _fit(entries: Entries) -> tuple[float, float]:
    """Return the number times which the truth is nearest to what is used, and by which part it may be off."""
    if not entries:
        return 0.0, 0.0
    used, true, doubts = np.array([(used, *slope[:2]) for _, used, slope in entries]).T
    size = largest(true)
    if not size:
        return 0.0, 0.0
    weights = 1 / (doubts / size + EQUAL) ** 2  # what is hardly known says little
    total = float(weights @ true**2)
    return float(weights @ (used * true)) / total, DOUBTS * float(
        np.linalg.norm(weights * true * doubts)
    ) / total


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


def _mirrors(shape: tuple[int, ...]) -> list[Mirror]:
    """Return the ways to transpose a gradient: the whole matrix, or all but a row or column of biases.

    A transpose that has another shape is taken to be written into the matrix's own.
    """
    if len(shape) != 2:
        return []
    rows, columns = shape
    blocks = [(0, 0, rows, columns)]
    blocks += [(top, 0, rows - 1, columns) for top in (0, 1)]
    blocks += [(0, left, rows, columns - 1) for left in (0, 1)]
    return [functools.partial(_mirrored, *block) for block in blocks if min(block[2:]) > 1]


def _mirrored(top: int, left: int, rows: int, columns: int, index: Index) -> Index:
    """Return where an element comes from if a block is transposed; outside the block it stays where it is."""
    row, column = index[0] - top, index[1] - left
    if not (0 <= row < rows and 0 <= column < columns):
        return index
    column, row = divmod(row * columns + column, rows)
    return row + top, column + left
