"""What is wrong with the gradient of one array: it is compared with what classic mistakes would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.diagnosis.own_step import OwnStep, close
from chainrule.gradient.differences import Slope
from chainrule.graph.types import Array

Index = tuple[int, ...]


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
        "right", "untrained", "scaled", "transposed" or "wrong".
    factor : float
        What the derivative is multiplied by, where that is all that is wrong (besides transposition).
    power : int
        The power of the number of rows in this factor: 1 where it is a sum and should be a mean.
    error : float
        The largest relative error.
    """

    name: str
    size: int
    entries: list[tuple[Index, float, Slope]]
    kind: str = "right"
    factor: float = 1.0
    power: int = 0
    error: float = 0.0
    worst: int = 0

    def __str__(self) -> str:
        index, used, slope = self.entries[self.worst]
        place = f"{self.name}[{', '.join(map(str, index))}]" if index else self.name
        return f"at {place} the update uses {used:.6g}, and the loss changes by {slope.value:.6g}"


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
        self.noise = [8 * epsilon * _largest(array) / (rate / 64) for array in own.arrays]
        moved = [i for i, change in enumerate(self.change) if np.any(change)]
        self.ignores_rate = bool(moved) and all(
            np.allclose(self.change[i], small[i], rtol=1e-3, atol=0) for i in moved
        )
        self.used = self._used_by(own)

    def _used_by(self, own: OwnStep) -> list[Array]:
        """Return the gradients that a step uses; known up to a factor where it ignores the learning rate."""
        if self.ignores_rate:
            return [change / self.rate for change in own.change(self.rate)]
        return own.claimed(self.rate)

    def depends_on_rate(self, array: int) -> bool:
        """Whether the gradient of an array is another at a usual learning rate than at a small one."""
        usual, least = self.change[array] / self.rate, self.noise[array]
        difference = _largest(usual - self.used[array])
        return not self.ignores_rate and difference > 1e-5 * _largest(self.used[array]) + 4 * least

    def examine(self, array: int) -> ArrayFinding:
        """Compare one array."""
        own, used = self.own, self.used[array]
        found = ArrayFinding(own.names[array], used.size, [])
        for index in self._indices(used):
            slope = own.slope(array, index)
            if math.isfinite(slope.value):
                found.entries.append((index, float(used[index]), slope))
        if not found.entries or self._agree(array, found.entries):
            self._measure(found)
            return found
        if not np.any(self.change[array]):
            found.kind = "untrained"
        elif not self._fits(array, found, found.entries, "scaled"):
            mirrored = self._mirrored(array, [index for index, _, _ in found.entries])
            pairs = [
                (index, value, slope)
                for (index, value, _), slope in zip(found.entries, mirrored, strict=False)
            ]
            if not mirrored or not self._fits(array, found, pairs, "transposed"):
                found.kind = "wrong"
        self._measure(found)
        return found

    def _indices(self, used: Array) -> list[Index]:
        """Return the places to compare: all of a small array, some of a large one, with the steepest."""
        places = np.arange(used.size)
        if used.size > self.samples:
            steepest = int(np.argmax(np.abs(used)))
            others = self.generator.choice(np.delete(places, steepest), self.samples - 1, replace=False)
            places = np.sort([steepest, *others])
        return [tuple(int(i) for i in np.unravel_index(place, used.shape)) for place in places]

    def _least(self, array: int, entries: Sequence[tuple[Index, float, Slope]]) -> float:
        """Return the difference that cannot be told from none, apart from each slope's own uncertainty."""
        return self.noise[array] + 1e-8 * max(abs(slope.value) for _, _, slope in entries)

    def _agree(self, array: int, entries: Sequence[tuple[Index, float, Slope]], factor: float = 1.0) -> bool:
        least = self._least(array, entries) * abs(factor)
        return all(
            close(used, factor * slope.value, self.tolerance, least + 10 * abs(factor) * slope.uncertainty)
            for _, used, slope in entries
        )

    def _fits(
        self, array: int, found: ArrayFinding, entries: Sequence[tuple[Index, float, Slope]], kind: str
    ) -> bool:
        """Whether what is used is a number times these derivatives; then it is noted, and what number."""
        squares = sum(slope.value**2 for _, _, slope in entries)
        factor = sum(used * slope.value for _, used, slope in entries) / squares if squares else 0.0
        clear = [slope for _, _, slope in entries if abs(slope.value) > 100 * slope.uncertainty]
        if not factor or not clear or not self._agree(array, entries, factor):
            return False
        found.kind, found.factor = kind, factor
        if self._agree(array, entries):
            found.factor = 1.0
        else:
            found.power = self._power(array, found, kind)
        return True

    def _power(self, array: int, found: ArrayFinding, kind: str) -> int:
        """Return the power of the number of rows in the factor, by looking at fewer rows."""
        whole = self.own.rows
        part = self.own.on_rows(range(whole // 2))
        index = max(found.entries, key=lambda entry: abs(entry[1]))[0]
        mirror = _mirror(index, self.own.arrays[array].shape) if kind == "transposed" else index
        try:
            slope = part.slope(array, mirror).value
            used = float(self._used_by(part)[array][index])
        except Exception:  # a step may be made for one number of rows
            near = abs(found.factor) / whole
            return 1 if any(close(near, times, 1e-3) for times in (0.5, 1, 2)) else 0
        if not slope or not used:
            return 0
        ratio = abs(found.factor) / abs(used / slope)
        power = math.log(ratio) / math.log(whole / part.rows)
        return round(power) if close(power, round(power), 1e-2, 1e-2) else 0

    def _mirrored(self, array: int, indices: Sequence[Index]) -> list[Slope]:
        """Return the derivatives at the places that a transposed gradient takes them from."""
        shape = self.own.arrays[array].shape
        if len(shape) != 2 or min(shape) < 2:
            return []
        slopes = [self.own.slope(array, _mirror(index, shape)) for index in indices]
        return slopes if all(math.isfinite(slope.value) for slope in slopes) else []

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


def _mirror(index: Index, shape: tuple[int, ...]) -> Index:
    """Return where an element of the transpose, written into the shape, comes from."""
    place = int(np.ravel_multi_index(index, shape))
    return place % shape[0], place // shape[0]


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array), initial=0.0))
