"""What is claimed to be a derivative, compared with differences entry by entry."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.gradient.backward import filled_like
from chainrule.gradient.differences import EPSILON, UNKNOWN, Sample, Slope, central_slope, side_slopes
from chainrule.gradient.report import CheckedEntry
from chainrule.graph.evaluate import Rerun, evaluate, numbers_of
from chainrule.graph.graph import Graph
from chainrule.graph.lowering import Contraction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import Array, is_float
from chainrule.graph.value import Value

TINY = 1e-280  # a smaller scale would let the steps underflow
PERTURBATIONS = 3  # how often the arrays are changed in their last place, to see what rounding does
ROUNDINGS = 16  # a derivative of at most this many times the effect of that is 0 but for rounding
NEGLIGIBLE = 1e-4  # a derivative that is this part of the array's largest

Index = tuple[int, ...]


class Claim:
    """A number that is computed from arrays, and what is claimed to be its derivative by some of them.

    Parameters
    ----------
    inputs, arrays
        What it is computed from.
    number : Value
        The number.
    positions : sequence of int
        The inputs whose derivatives are claimed.
    d : dict of Value to Value
        The claimed derivatives; an input that is not among them is claimed to have zeros. Those of values
        on the way tell how much their rounding matters.
    """

    def __init__(
        self,
        inputs: Sequence[Value],
        number: Value,
        positions: Sequence[int],
        d: Mapping[Value, Value],
        arrays: Sequence[Array],
    ) -> None:
        variables = [inputs[position] for position in positions]
        claimed = [d.get(x, filled_like(x, 0)) for x in variables]
        self.names = [variable.name for variable in inputs]
        self.arrays = [np.array(array) for array in arrays]
        known = numbers_of(Graph(inputs, [number, *claimed, *d.values()]), self.arrays)
        self.gradients = {i: np.array(known[dx]) for i, dx in zip(positions, claimed, strict=True)}
        self._claimed = Graph(inputs, claimed)
        varying = _varying(Graph(inputs, [number, *claimed]), variables)
        self._noise = _noise(varying, d, known)
        decisions = [value for value in varying if _is_decision(value)]
        self._graph = Graph(inputs, [number, *decisions])
        on_the_way = (*inputs, *self._graph.captured, *self._graph.equations)
        self._known = {value: known[value] for value in on_the_way}
        self._reruns: dict[int, Rerun] = {}

    @functools.cached_property
    def rounding(self) -> dict[int, Array]:
        """How far the claimed derivatives move when the arrays change by one unit in their last place."""
        generator = np.random.default_rng(0)
        moved: dict[int, Array] = {position: np.zeros_like(dx) for position, dx in self.gradients.items()}
        for _ in range(PERTURBATIONS):
            arrays = list(self.arrays)
            for position in moved:
                ends = generator.choice([-np.inf, np.inf], arrays[position].shape)
                arrays[position] = np.nextafter(arrays[position], ends)
            for position, dx in zip(moved, evaluate(self._claimed, *arrays), strict=True):
                moved[position] = np.maximum(moved[position], np.abs(dx - self.gradients[position]))
        return moved

    def along(self, position: int, index: Index) -> Callable[[float], Sample]:
        """Return the number as a function of one entry of one array."""
        array = self.arrays[position]
        here = array[index]
        if position not in self._reruns:
            self._reruns[position] = Rerun(self._graph, self._known, self._graph.inputs[position])
        rerun = self._reruns[position]

        @functools.cache
        def sample(x: float) -> Sample:
            array[index] = x
            value, *decisions = rerun(array)
            array[index] = here
            return Sample(float(value), self._noise, hash(b"".join(one.tobytes() for one in decisions)))

        return sample


def _varying(graph: Graph, variables: Sequence[Value]) -> list[Value]:
    """Return what a graph computes from the variables."""
    serials = {value.serial for value in variables}
    found = []
    for value in graph.equations:
        if any(operand.serial in serials for operand in value.operands):
            serials.add(value.serial)
            found.append(value)
    return found


def _is_decision(value: Value) -> bool:
    """Whether it changes in jumps: a bool, an integer, sign, floor.

    Among the equations of the derivatives are those that tell which operand of a maximum was taken.
    """
    assert value.primitive is not None
    return not is_float(value.dtype) or value.primitive.derivative is None


def _noise(values: Sequence[Value], d: Mapping[Value, Value], known: Mapping[Value, Array]) -> float:
    """Return how far the rounding of every y on the way moves the number, by what it weighs there, dy."""
    total = 0.0
    for y in values:
        if y in d and d[y] in known:
            with np.errstate(all="ignore"):
                part = float(np.sum(_rounded(y, known) * np.square(known[d[y]])))
            total += part if math.isfinite(part) else 0.0
    return EPSILON * math.sqrt(total)


def _rounded(y: Value, known: Mapping[Value, Array]) -> Array:
    """Return the squares of what is rounded: y; in a matrix product its terms, which may cancel."""
    if not isinstance(lowering_of(y), Contraction):
        return np.square(known[y])
    a, b = (np.square(known[x]) for x in y.operands)
    return np.asarray(a @ b)


@dataclass(frozen=True)
class Plan:
    """How a claim is checked: the error that is allowed, how many entries, and what draws them."""

    tolerance: float
    samples: int
    generator: np.random.Generator

    def entries(self, claim: Claim, position: int) -> Iterator[CheckedEntry]:
        """Check the derivative by one array at some of its entries, or at all of a small one."""
        gradient = claim.gradients[position]
        places = np.arange(gradient.size)
        if gradient.size > self.samples:
            steepest = np.argmax(np.abs(gradient))
            others = np.delete(places, steepest)
            places = np.sort([steepest, *self.generator.choice(others, self.samples - 1, replace=False)])
        for place in places:
            index = tuple(int(i) for i in np.unravel_index(place, gradient.shape))
            yield self._entry(claim, position, index)

    def _entry(self, claim: Claim, position: int, index: Index) -> CheckedEntry:
        """Measure one derivative; a second time, from each side, where a kink or an error seems to be."""
        analytic, x = float(claim.gradients[position][index]), float(claim.arrays[position][index])
        function = claim.along(position, index)
        sizes = np.abs(claim.arrays[position])
        typical = max(abs(x), float(np.sum(sizes / sizes.size)))  # a sum of the largest could overflow
        scales = [scale for scale in dict.fromkeys((typical, abs(x), 1.0)) if scale > TINY]
        least = NEGLIGIBLE * float(np.max(np.abs(claim.gradients[position])))
        slope = central_slope(function, x, scales)
        verdict, error = self._judge(analytic, slope, least)
        if verdict != "right":
            sides = side_slopes(function, x, scales)
            if sides.both is not UNKNOWN and (not slope.is_sharp or sides.both.refutes(slope)):
                slope = sides.both
                verdict, error = self._judge(analytic, slope, least)
            unknown = slope is UNKNOWN and sides.both is UNKNOWN
            if sides.is_kink or unknown or (sides.is_tie and verdict == "wrong"):
                slope, verdict, error = UNKNOWN, "kink", 0.0
        if verdict == "wrong" and _is_rounding(claim, position, index, slope):
            verdict, error = "right", 0.0
        return CheckedEntry(
            claim.names[position], index, analytic, slope.value, slope.uncertainty, error, verdict
        )

    def _judge(self, analytic: float, slope: Slope, least: float) -> tuple[str, float]:
        """Return the verdict and the relative error; an uncertainty below `least` casts no doubt."""
        difference, size = abs(analytic - slope.value), max(abs(analytic), abs(slope.value))
        if not math.isfinite(difference):
            return "wrong", math.inf
        compared_to = max(size, slope.uncertainty / self.tolerance)
        error = difference / compared_to if compared_to else 0.0
        if error > self.tolerance:
            return "wrong", error
        rough = slope.uncertainty > max(0.1 * size, 1e-6 * slope.usual, least)
        return "rough" if rough else "right", error


def _is_rounding(claim: Claim, position: int, index: Index, slope: Slope) -> bool:
    """Whether both derivatives are 0 but for rounding: what is claimed is left of terms that cancel."""
    analytic = float(claim.gradients[position][index])
    near = max(abs(slope.value), abs(analytic)) <= 10 * slope.uncertainty
    return near and abs(analytic) <= ROUNDINGS * float(claim.rounding[position][index])
