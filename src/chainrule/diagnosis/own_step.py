"""A training step that somebody wrote, as something that can be called and measured."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.gradient.differences import UNKNOWN, Sample, Slope, central_slope, side_slopes
from chainrule.graph.structure import flatten, unflatten
from chainrule.graph.types import Array, str_shape

Step = Callable[[Any, Any, Any, float], Any]

#: Small rates at which the update is still read off exactly are this part of the rate.
SMALL = 1 / 64
#: A sum over many terms may be off by so many units in the last place.
ROUNDINGS = 16.0


class Update(NamedTuple):
    """What the step returned: the loss and the new weights, as floats."""

    loss: float
    weights: list[Array]
    epsilon: float  # of the precision that it computes in


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
        self._rows_last = _rows_are_last(self.x, self.y)

    @property
    def rows(self) -> int:
        """How many rows the batch has."""
        return int(self.x.shape[-1 if self._rows_last else 0])

    def on_rows(self, chosen: Sequence[int]) -> OwnStep:
        """Return the same step on some rows of the batch."""
        axis = -1 if self._rows_last else 0
        x, y = np.take(self.x, chosen, axis), np.take(self.y, chosen, axis)
        part = copy.copy(self)
        part.x, part.y = x, y
        return part

    def __call__(self, arrays: Sequence[Array], rate: float) -> Update:
        """Return what the step gives for these weights, or say in which way it is no step."""
        given = unflatten(self.structure, [np.array(array) for array in arrays])
        result = self.step(given, self.x.copy(), self.y.copy(), rate)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"the step should return (loss, new weights), and it returned {_short(result)}; "
                "return both, also where the weights are changed in place"
            )
        loss, new = np.asarray(result[0]), flatten(result[1])
        if loss.size != 1 or loss.dtype.kind not in "fiu":
            raise TypeError(f"the step's loss should be one number, and it is {_short(result[0])}")
        if len(new) != len(arrays):
            raise ValueError(f"the step was given {len(arrays)} arrays and returned {len(new)}; return all")
        for name, old, leaf in zip(self.names, arrays, new, strict=True):
            if np.shape(leaf) != old.shape:
                raise ValueError(
                    f"the step was given {name} of shape {str_shape(old.shape)} and returned "
                    f"{str_shape(np.shape(leaf))}; a weight keeps its shape"
                )
        single = any(np.asarray(leaf).dtype == np.float32 for leaf in (loss, *new))
        epsilon = float(np.finfo(np.float32 if single else np.float64).eps)
        return Update(float(loss.reshape(())), [np.asarray(leaf, np.float64) for leaf in new], epsilon)

    def loss(self, arrays: Sequence[Array]) -> float:
        """Return the loss at these weights, however extreme."""
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self(arrays, 0.0).loss

    def change(self, rate: float) -> list[Array]:
        """Return how much the step takes off each weight."""
        new = self(self.arrays, rate).weights
        return [old - now for old, now in zip(self.arrays, new, strict=True)]

    def claimed(self, rate: float) -> list[Array]:
        """Return the gradient that the step uses at a small rate: its change by the rate, in the limit."""
        once, twice = rate * SMALL, 2 * rate * SMALL
        return [
            2 * small / once - large / twice
            for small, large in zip(self.change(once), self.change(twice), strict=True)
        ]

    def slope(self, array: int, index: tuple[int, ...]) -> Slope:
        """Return the derivative of the loss by one weight, by differences; unknown at a kink."""
        epsilon = self(self.arrays, 0.0).epsilon
        here = [np.array(one) for one in self.arrays]
        at = float(here[array][index])

        @functools.cache
        def sample(number: float) -> Sample:
            here[array][index] = number
            loss = self.loss(here)
            return Sample(loss, ROUNDINGS * epsilon * abs(loss), True)

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


def _with_arrays(weights: Any, outermost: bool = True) -> Any:
    """Return the weights with lists of numbers as arrays, but for the outermost list."""
    if isinstance(weights, dict):
        return {key: _with_arrays(item, False) for key, item in weights.items()}
    if not isinstance(weights, list | tuple):
        return weights
    if not outermost and all(isinstance(leaf, int | float) for leaf in flatten(weights)):
        return np.asarray(weights, np.float64)
    return type(weights)(_with_arrays(item, False) for item in weights)


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


def _rows_are_last(x: Array, y: Array) -> bool:
    """Whether each column is an example, (features, rows); a ValueError says that x and y do not fit."""
    if not x.ndim or not y.ndim or not x.size:
        raise ValueError("x and y are arrays with one row for each example")
    if x.shape[0] == y.shape[0]:
        return False
    if x.shape[-1] == y.shape[-1]:
        return True
    raise ValueError(
        f"x has the shape {str_shape(x.shape)} and y {str_shape(y.shape)}; give both one row for each example"
    )


def _short(item: Any) -> str:
    text = " ".join(repr(item).split())
    return text if len(text) <= 60 else text[:57] + "..."


def close(first: float, second: float, tolerance: float, least: float = 0.0) -> bool:
    """Whether two numbers agree, relative to the larger or to what can be told."""
    difference = abs(first - second)
    return math.isfinite(difference) and difference <= tolerance * max(abs(first), abs(second)) + least
