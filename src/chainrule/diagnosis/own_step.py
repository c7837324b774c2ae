"""A training step that somebody wrote, as something that can be called and measured."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from chainrule.gradient.differences import UNKNOWN, Sample, Slope, central_slope, fitted_slope, side_slopes
from chainrule.graph.structure import flatten, unflatten
from chainrule.graph.types import Array, str_shape
from chainrule.graph.words import counted

Step = Callable[[Any, Any, Any, float], Any]

#: Rates at which the update is read off are this part of the rate: as small as rounding allows.
SMALL, SMALL_IN_SINGLE = 1 / 1024, 1 / 64
#: In float32 it is read off larger ones, too, as long as weights change by no more than their size.
LARGER = (1, 8, 64, 512, 4096)
#: A rate that changes no weight, and is not 0, which a step may refuse.
NONE = 1e-30
#: A sum over many terms may be off by so many units in the last place.
ROUNDINGS = 16.0


class NoResultError(TypeError):
    """A step does not return (loss, new weights), whichever arrays it is given."""


class Update(NamedTuple):
    """What the step returned: the loss and the new weights, as floats."""

    loss: float
    weights: list[Array]
    epsilon: float  # of the precision that it computes in


class Reading(NamedTuple):
    """The gradients that a step uses, and how far rounding may have moved those of each array."""

    used: list[Array]
    noise: list[float]


class OwnStep:
    """The step on one batch: f(weights, x, y, learning_rate) → (loss, new weights).

    Parameters
    ----------
    step : callable
        f. It may change the weights in place: it is given copies.
    weights : dict, list or tuple of array_like
        Where it is looked at.
    x, y : array_like
        The batch.
    """

    def __init__(self, step: Step, weights: Any, x: Any, y: Any) -> None:
        if not callable(step):
            raise TypeError(
                f"a step is a function (weights, x, y, learning_rate) → (loss, new weights), not {step!r}"
            )
        self.step = step
        weights = self.structure = _with_arrays(weights)
        self.names = _names(weights)
        self.arrays = [_floats(leaf, name) for leaf, name in zip(flatten(weights), self.names, strict=True)]
        self.x, self.y = np.asarray(x), np.asarray(y)
        self.single = False
        self.axis = self._axis_of_rows()

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return int(self.x.shape[self.axis])

    @property
    def features(self) -> int:
        """How many numbers a row of x has."""
        return self.x.size // self.rows

    @property
    def outputs(self) -> int:
        """How many numbers a row of y has."""
        return self.y.size // self.rows

    @property
    def is_one_vector(self) -> bool:
        """Whether all weights are in one vector."""
        return len(self.arrays) == 1 and self.arrays[0].ndim == 1

    def on_rows(self, chosen: Sequence[int]) -> OwnStep:
        """Return the same step on some rows of the batch."""
        return self.with_batch(np.take(self.x, chosen, self.axis), np.take(self.y, chosen, self.axis))

    def with_batch(self, x: Array, y: Array) -> OwnStep:
        """Return the same step on another batch."""
        other = copy.copy(self)
        other.x, other.y = x, y
        return other

    def with_arrays(self, arrays: Sequence[Array]) -> OwnStep:
        """Return the same step at other weights."""
        other = copy.copy(self)
        other.arrays = list(arrays)
        return other

    def with_precision(self) -> OwnStep:
        """Return the same step, with what is known of its precision.

        It may compute in float32 and return float64, as where y is that: then its loss stays, to the last
        bit, when weights that float32 holds are changed by less than float32 can tell. It is looked at with
        such weights, so that what it leaves as it is does not change.
        """
        held = [array.astype(np.float32).astype(np.float64) for array in self.arrays]
        loss, less, more = (self.loss([array * (1 + by) for array in held]) for by in (0.0, 1e-9, 1.0))
        if not less == loss != more:
            return self
        other = self.with_arrays(held)
        other.single = True
        return other

    def draw(self, generator: np.random.Generator, scale: float = 1.0) -> list[Array]:
        """Return random weights."""
        return [scale * generator.normal(size=array.shape) for array in self.arrays]

    def fresh(self, generator: np.random.Generator, size: float = 1.0) -> list[Array]:
        """Return weights as they are usually drawn for a start; single numbers, as counters are, are left."""
        fresh = []
        for array in self.arrays:
            drawn = generator.normal(size=array.shape) * size / math.sqrt(max(array.shape, default=1))
            fresh.append(np.asarray(drawn, np.float32).astype(np.float64) if array.ndim else array)
        return fresh

    def _axis_of_rows(self) -> int:
        """Return the axis of the examples; a ValueError says that x and y do not fit.

        Where both axes fit, it is the one along which the order of x and y is of no account.
        """
        x, y = self.x, self.y
        if not x.ndim or not y.ndim or not x.size:
            raise ValueError("x and y are arrays with one row for each example")
        fitting = [axis for axis in (0, -1) if x.shape[axis] == y.shape[axis]]
        if not fitting:
            raise ValueError(
                f"x has the shape {str_shape(x.shape)} and y {str_shape(y.shape)}; "
                "give both one row for each example"
            )
        if len(fitting) == 1 or x.ndim == y.ndim == 1:
            return fitting[0]
        nudges = self.draw(np.random.default_rng(0), 0.1)  # fresh weights may be all alike
        arrays = [array + nudge for array, nudge in zip(self.arrays, nudges, strict=True)]
        return min(fitting, key=lambda axis: self._order_matters(axis, arrays))

    def _order_matters(self, axis: int, arrays: Sequence[Array]) -> bool:
        if self.x.shape[axis] == 1:  # one example: the other axis is chosen where its order does not matter
            return False
        try:
            loss = self.loss(arrays)
            other = self.with_batch(np.roll(self.x, 1, axis), np.roll(self.y, 1, axis)).loss(arrays)
        except Exception:  # what is wrong with the step is told when it is checked
            return True
        return not close(loss, other, 1e-5)

    def __call__(self, arrays: Sequence[Array], rate: float) -> Update:
        """Return what the step gives for these weights, or say in which way it is no step."""
        given = unflatten(self.structure, [np.array(array) for array in arrays])
        result = self.step(given, self.x.copy(), self.y.copy(), rate)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise NoResultError(
                f"the step should return (loss, new weights), and it returned {_short(result)}; "
                "return both, also where the weights are changed in place"
            )
        if result[1] is None:
            raise NoResultError(
                "the step returned None as new weights; return them, also if changed in place"
            )
        loss, new = _one_number(result[0]), self.leaves(result[1])
        if len(new) != len(arrays):
            raise ValueError(
                f"the step was given {counted(len(arrays), 'array')} and returned {len(new)}; return all"
            )
        for name, old, leaf in zip(self.names, arrays, new, strict=True):
            if np.shape(leaf) != old.shape:
                raise ValueError(
                    f"the step was given {name} of shape {str_shape(old.shape)} and returned "
                    f"{str_shape(np.shape(leaf))}; a weight keeps its shape"
                )
        single = self.single or any(np.asarray(leaf).dtype == np.float32 for leaf in (loss, *new))
        epsilon = float(np.finfo(np.float32 if single else np.float64).eps)
        return Update(float(loss.reshape(())), [np.asarray(leaf, np.float64) for leaf in new], epsilon)

    def leaves(self, new: Any) -> list[Any]:
        """Return the arrays of new weights in the order of those that the step was given."""
        return _in_order_of(self.structure, new)

    def loss(self, arrays: Sequence[Array]) -> float:
        """Return the loss at these weights."""
        return self(arrays, NONE).loss

    def change(self, rate: float) -> list[Array]:
        """Return how much the step takes off each weight."""
        return self._taken_off(self(self.arrays, rate))

    def _taken_off(self, update: Update) -> list[Array]:
        return [old - now for old, now in zip(self.arrays, update.weights, strict=True)]

    def at(self, rate: float) -> Reading:
        """Return the gradients that the step uses at a rate: its change by the rate."""
        update = self(self.arrays, rate)
        changes = self._taken_off(update)
        sizes = [max(largest(old), largest(new)) for old, new in zip(self.arrays, changes, strict=True)]
        noise = [8 * update.epsilon * size / rate for size in sizes]
        return Reading([change / rate for change in changes], noise)

    def claimed(self, rate: float) -> Reading:
        """Return the gradients that the step uses at a small rate: its change by the rate, in the limit."""
        is_single = self(self.arrays, rate).epsilon > np.finfo(np.float64).eps
        least = rate * (SMALL_IN_SINGLE if is_single else SMALL)
        # a parabola through three rates, for a chain of layers that are updated too early
        (one, noise), (two, _), (four, _) = (self.at(k * least) for k in (1, 2, 4))
        limit = [(8 * a - 6 * b + c) / 3 for a, b, c in zip(one, two, four, strict=True)]
        lines = [2 * a - b for a, b in zip(one, two, strict=True)]
        bends = [largest(parabola - line) for parabola, line in zip(limit, lines, strict=True)]
        found = Reading(limit, [rough + bend for rough, bend in zip(noise, bends, strict=True)])
        return self._sharpened(found, rate) if is_single else found

    def _sharpened(self, found: Reading, rate: float) -> Reading:
        """Return what was found as larger rates tell it, which rounding spoils less, where all agree."""
        used, noise = [*found.used], [*found.noise]
        readings = [found, *self.larger(rate)]
        for i, sharpest in enumerate(readings[-1].used):
            apart = [largest(one.used[i] - sharpest) for one in readings]
            if all(a <= one.noise[i] + readings[-1].noise[i] for a, one in zip(apart, readings, strict=True)):
                used[i], noise[i] = sharpest, readings[-2].noise[i]
        return Reading(used, noise)

    def larger(self, rate: float) -> Iterator[Reading]:
        """Yield what is used at the usual rate and at larger ones, as far as these are no leaps."""
        size = max(map(largest, self.arrays))
        for times in LARGER:
            reading = self.at(times * rate)
            if times > 1 and not times * rate * max(map(largest, reading.used)) <= size:
                return
            yield reading

    def slope(self, array: int, index: tuple[int, ...]) -> Slope:
        """Return the derivative of the loss by one weight, by differences; unknown at a kink."""
        epsilon = self(self.arrays, NONE).epsilon
        here = [np.array(one) for one in self.arrays]
        at = float(here[array][index])

        def loss(number: float) -> float:
            here[array][index] = number
            return self.loss(here)

        if epsilon > np.finfo(np.float64).eps:
            return fitted_slope(loss, at, epsilon)

        @functools.cache
        def sample(number: float) -> Sample:
            value = loss(number)
            return Sample(value, ROUNDINGS * epsilon * abs(value), True)

        typical = max(abs(at), float(np.mean(np.abs(self.arrays[array]))))
        scales = [scale for scale in dict.fromkeys((typical, abs(at), 1.0)) if scale > 1e-280]
        slope = central_slope(sample, at, scales)
        if not slope.is_sharp:
            sides = side_slopes(sample, at, scales)
            if sides.is_kink:
                return UNKNOWN
            if sides.both is not UNKNOWN and sides.both.uncertainty < slope.uncertainty:
                return sides.both
        return slope

    def has_kink(self, array: int, index: tuple[int, ...]) -> bool:
        """Whether the loss bends at a weight: left and right of it are no more alike from nearby."""
        epsilon = self(self.arrays, NONE).epsilon
        here = [np.array(one) for one in self.arrays]
        at, size = float(here[array][index]), max(1e-3, float(np.max(np.abs(here[array]))))
        bends, middle = [], self.loss(here)
        for step in (1e-3 * size, 1e-3 * size / 64):
            sides = []
            for sign in (1, -1):
                here[array][index] = at + sign * step
                sides.append(sign * (self.loss(here) - middle) / step)
            bends.append(abs(sides[0] - sides[1]) - 4 * ROUNDINGS * epsilon * abs(middle) / step)
        return bends[1] > max(bends[0] / 4, 1e-6 * abs(sides[0]))


def _with_arrays(weights: Any, outermost: bool = True) -> Any:
    """Return the weights with lists of numbers as arrays, but for the outermost list."""
    if isinstance(weights, dict):
        return {key: _with_arrays(item, False) for key, item in weights.items()}
    if not isinstance(weights, list | tuple):
        return weights
    if not outermost and all(isinstance(leaf, int | float) for leaf in flatten(weights)):
        return np.asarray(weights, np.float64)
    items = [_with_arrays(item, False) for item in weights]
    return type(weights)(*items) if hasattr(weights, "_fields") else type(weights)(items)


def _one_number(loss: Any) -> Array:
    """Return the loss as an array, if it is one float: what is counted has no slope."""
    try:
        array = np.asarray(loss)
    except ValueError:  # weights of several shapes, returned first
        array = np.empty(0)
    if array.size != 1 or array.dtype.kind != "f":
        raise TypeError(f"the step's loss should be one float, and it is {_short(loss)}")
    return array


def _in_order_of(given: Any, new: Any) -> list[Any]:
    """Return the leaves of new weights in the order of those given; dicts go by their keys.

    Where an array was given, a list of numbers is one, too; what makes the weights one by one is a list.
    """
    if isinstance(new, Iterator):
        new = list(new)
    if isinstance(given, dict) and isinstance(new, dict):
        missing = [key for key in given if key not in new]
        if missing:
            raise ValueError(f"the step was given {missing[0]} and did not return it; return all weights")
        return [leaf for key in given for leaf in _in_order_of(given[key], new[key])]
    if isinstance(given, list | tuple) and isinstance(new, list | tuple) and len(given) == len(new):
        return [leaf for old, now in zip(given, new, strict=True) for leaf in _in_order_of(old, now)]
    leaves = flatten(new)
    is_array = not isinstance(given, dict | list | tuple) and np.ndim(given) > 0
    if is_array and isinstance(new, list | tuple) and not any(map(np.ndim, leaves)):
        with suppress(ValueError):  # rows of several lengths
            return [np.asarray(new)]
    return leaves


def _floats(leaf: Any, name: str) -> Array:
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} holds {_short(leaf)}, and weights are arrays of numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; check the step at finite weights")
    return array.astype(np.float64)


def _names(weights: Any) -> list[str]:
    """Return a name for each array: its key, or its place."""

    def walk(structure: Any, prefix: str) -> list[str]:
        if isinstance(structure, dict):
            items = [(f"{prefix}.{key}" if prefix else str(key), item) for key, item in structure.items()]
        elif isinstance(structure, list | tuple):
            items = [(f"{prefix or 'weights'}[{i}]", item) for i, item in enumerate(structure)]
        else:
            return [prefix or "weights"]
        return [name for path, item in items for name in walk(item, path)]

    names = walk(weights, "")
    if not names:
        raise ValueError("there are no weights: give a dict or a list of arrays")
    return names


def largest(array: Array) -> float:
    """Return the size of the largest number in an array."""
    return float(np.max(np.abs(array), initial=0.0))


def _short(item: Any) -> str:
    text = " ".join(repr(item).split())
    return text if len(text) <= 60 else text[:57] + "..."


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning out: a step is also called where its numbers are extreme."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def close(first: float, second: float, tolerance: float, least: float = 0.0) -> bool:
    """Whether two numbers agree, relative to the larger or to what can be told."""
    difference = abs(first - second)
    return math.isfinite(difference) and difference <= tolerance * max(abs(first), abs(second)) + least
