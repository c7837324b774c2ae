"""The derivative of a function of one number, measured by differences.

A difference quotient is wrong by the curvature of the function where the step is large, and by rounding where
it is small. So it is measured at many steps, each a quarter of the one before; Richardson's extrapolation
removes the leading error, and the step at which neighbouring results agree best is taken, with their
disagreement as the uncertainty. Large steps may agree on what is far away, beyond a pole or a bend: a result
of smaller ones that contradicts them is believed instead. Steps across a kink count for nothing; decisions
on the way (x > 0?) tell them apart.

References
----------
.. [1] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4
   (1982), 75-76.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

RATIO = 4.0  # between a step and the next one
LEVELS = 18  # from a tenth of the scale down to 6e-12 of it
ENOUGH = 1e-9  # a relative uncertainty that needs no smaller steps
SHARP = 1e-6  # one that needs no other scale
SAFETY = 2.0  # the uncertainty is an estimate, too
EPSILON = float(np.finfo(np.float64).eps)

#: Of the polynomial that is fitted to rough values, by least squares: its degree, where the function is
#: sampled (Chebyshev's nodes), the powers of these, and what makes coefficients of the values.
DEGREE = 6
NODES = np.cos(np.pi * (np.arange(16) + 0.5) / 16)
POWERS = np.vander(NODES, DEGREE + 1, increasing=True)
FIT = np.linalg.pinv(POWERS)
#: How far the nodes reach, from the widest down.
DISTANCES = [RATIO**-k for k in range(9)]
#: The root mean square of a rounding error, about 1/√12 of a unit in the last place.
ROUNDING_ERROR = 0.3
#: A fit is rejected if its residual is this many times that of the narrowest one.
MISFIT = 1.5


class Sample(NamedTuple):
    """The function at one place.

    `noise` is how far rounding on the way moves it. `branch` stands for all decisions on the way (x > 0?): it
    is the same number where they are the same.
    """

    value: float
    noise: float
    branch: int = 0

    @property
    def doubt(self) -> float:
        """How far rounding on the way and of the value itself may have moved it."""
        return max(EPSILON * abs(self.value), self.noise)


Function = Callable[[float], Sample]


class Slope(NamedTuple):
    """A derivative and how far it may be off; the uncertainty is infinite where nothing could be measured.

    `usual` is how large it would be if the function changed by its own size over the distance of the steps.
    """

    value: float
    uncertainty: float
    usual: float = 0.0

    @property
    def is_sharp(self) -> bool:
        """Whether it is known so well that no other measurement is needed."""
        return self.uncertainty <= SHARP * abs(self.value)

    def refutes(self, other: Slope, least: float = 0.0) -> bool:
        """Whether the other is certainly not this one; they differ at least by this part of it."""
        doubt = self.uncertainty + other.uncertainty
        return abs(self.value - other.value) > 10 * doubt + least * abs(self.value)

    def overrules(self, farther: Slope) -> bool:
        """Whether this one, measured nearer to the point, is to be believed rather than the other."""
        return self.uncertainty < farther.uncertainty or self.refutes(farther)


UNKNOWN = Slope(math.nan, math.inf)


class Sides(NamedTuple):
    """The derivatives to the left and to the right of a point, each on the branch that is nearest there.

    `is_tie` is whether the decisions on one side are not those at the point, which is the edge of its branch.
    """

    left: Slope
    right: Slope
    is_tie: bool

    @property
    def is_kink(self) -> bool:
        """Whether they are known well, and differ."""
        return self._gap > 10 * self._doubt + self._rounding

    @property
    def both(self) -> Slope:
        """The derivative, if both sides have the same one; otherwise unknown."""
        if not self._gap <= self._doubt + self._rounding:  # a gap of NaN is unknown, too
            return UNKNOWN
        usual = max(self.left.usual, self.right.usual)
        return Slope((self.left.value + self.right.value) / 2, self._doubt, usual)

    @property
    def _gap(self) -> float:
        return abs(self.left.value - self.right.value)

    @property
    def _doubt(self) -> float:
        return self.left.uncertainty + self.right.uncertainty

    @property
    def _rounding(self) -> float:
        """How much two slopes of this size may differ and still be the same."""
        return 1e-6 * max(abs(self.left.value), abs(self.right.value))

    def refute(self, far: Sides) -> bool:
        """Whether these are one slope, and what was measured over larger distances is certainly not it."""
        near = self.both
        return near is not UNKNOWN and any(near.refutes(side, least=1e-6) for side in (far.left, far.right))


def central_slope(function: Function, x: float, scales: Sequence[float]) -> Slope:
    """Return the derivative by steps to both sides on which no decision changes; unknown if there are none.

    The scale |x| comes first, and the larger ones only where rounding drowns what it shows.
    """
    measured: dict[float, Slope] = {}
    for scale in sorted(scales, key=lambda scale: (scale != abs(x), scale)):
        slope = measured[scale] = _central_slope(function, x, scale)
        if slope.is_sharp:
            break
    best = UNKNOWN
    for scale in sorted(measured, reverse=True):
        best = measured[scale] if measured[scale].overrules(best) else best
    return best


def _central_slope(function: Function, x: float, scale: float) -> Slope:
    steps: list[float] = []
    quotients: list[float] = []
    slope, largest, doubt = UNKNOWN, 0.0, 0.0
    branch = function(x).branch
    for step in _steps(x, scale):
        right, left = function(x + step), function(x - step)
        quotient = (right.value - left.value) / (2 * step)
        if not (right.branch == branch == left.branch and math.isfinite(quotient)):
            steps, quotients = [], []  # only the smaller steps are near enough
            continue
        steps.append(step)
        quotients.append(quotient)
        largest = max(largest, abs(right.value), abs(left.value))
        doubt = max(doubt, right.doubt, left.doubt)
        slope = _limit(steps, quotients, 2, doubt)._replace(usual=largest / scale)
        rounding_only = 3 * SAFETY * _rounding(doubt, step)
        if slope.uncertainty <= max(ENOUGH * abs(slope.value), rounding_only):
            break
    return slope


def fitted_slope(function: Callable[[float], float], x: float, epsilon: float) -> Slope:
    """Return the derivative of a rough function, as one in float32 is, by a polynomial through many values.

    How far the values are from it at the least distances tells how rough they are. The widest that fits them
    as well is taken: one that does not may pass over bends, as those of relu.

    Parameters
    ----------
    function : callable
        Of one number.
    x : float
        Where.
    epsilon : float
        The relative distance of two numbers that are next to each other.
    """

    def fitted(distance: float) -> tuple[Slope, float]:
        values = np.array([function(x + distance * place) for place in NODES])
        if not np.isfinite(values).all():
            return UNKNOWN, math.inf
        fit = FIT @ values
        rough = float(np.linalg.norm(values - POWERS @ fit)) / math.sqrt(len(NODES) - DEGREE - 1)
        rough = max(rough, ROUNDING_ERROR * epsilon * float(np.max(np.abs(values))))
        return Slope(float(fit[1]) / distance, rough * float(np.linalg.norm(FIT[1])) / distance), rough

    nearest, least = fitted(DISTANCES[-1])
    wider = (slope for slope, rough in map(fitted, DISTANCES[:-1]) if rough < MISFIT * least)
    return next(wider, nearest)


def side_slopes(function: Function, x: float, scales: Sequence[float]) -> Sides:
    """Return the derivatives to the left and to the right.

    They are measured with the first scale. Its steps may pass over a whole bend, so that smaller scales are
    believed where they differ.
    """
    sides, *nearer = (
        _sides(function, x, scale)
        for scale in (scales[0], *sorted((s for s in scales if s < scales[0]), reverse=True))
    )
    for near in nearer:
        sides = near if near.refute(sides) else sides
    return sides


def _sides(function: Function, x: float, scale: float) -> Sides:
    (left, left_branch), (right, right_branch) = (_side_slope(function, x, sign, scale) for sign in (-1, 1))
    return Sides(left, right, not left_branch == function(x).branch == right_branch)


def _side_slope(function: Function, x: float, sign: int, scale: float) -> tuple[Slope, int]:
    """Return the derivative to one side, and the branch that it belongs to: that of the smallest steps."""
    steps: list[float] = []
    quotients: list[float] = []
    here = function(x)
    largest, doubt, branch = abs(here.value), here.doubt, here.branch
    for step in _steps(x, scale):
        there = function(x + sign * step)
        if there.branch != branch:
            steps, quotients, branch = [], [], there.branch
        quotient = (there.value - here.value) / (sign * step)
        if math.isfinite(quotient):
            steps.append(step)
            quotients.append(quotient)
            largest, doubt = max(largest, abs(there.value)), max(doubt, there.doubt)
    slope = _limit(steps, quotients, 1, doubt)._replace(usual=largest / scale)
    if not quotients:
        return UNKNOWN, branch
    # beside a jump the quotients grow as 1 / step for ever: that is no derivative
    usual = 1e3 * max(abs(quotients[0]), abs(slope.value)) + 10 * _rounding(doubt, steps[-1])
    return (slope if abs(quotients[-1]) <= usual else UNKNOWN), branch


def _steps(x: float, scale: float) -> Iterator[float]:
    """Yield powers of two, so that x ± step is exact, down to a few units in the last place of x."""
    step = 2.0 ** math.floor(math.log2(0.1 * scale))
    for _ in range(LEVELS):
        if step < 4 * np.spacing(abs(x)):
            return
        yield step
        step /= RATIO


def _limit(steps: Sequence[float], quotients: Sequence[float], order: int, doubt: float) -> Slope:
    """Return what the quotients tend to, if their error shrinks with this power of the step."""
    if len(steps) < 4:
        return UNKNOWN
    q = np.asarray(quotients)
    better = q[1:] + np.diff(q) / (RATIO**order - 1)
    change = np.abs(np.diff(better))
    rounding = np.asarray([_rounding(doubt, step) for step in steps[2:-1]])
    uncertainty = np.maximum(change[:-1], change[1:]) + rounding
    best = UNKNOWN
    for value, doubtful in zip(better[1:-1].tolist(), (SAFETY * uncertainty).tolist(), strict=True):
        slope = Slope(value, doubtful)
        best = slope if slope.overrules(best) else best
    return best


def _rounding(doubt: float, step: float) -> float:
    """Return how much a quotient can change if the function's values may be off by so much."""
    return 4 * doubt / step
