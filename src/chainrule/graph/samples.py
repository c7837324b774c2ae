"""What the generated tests feed a row: cases of operands and attributes, drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.graph.types import Array


class Case(NamedTuple):
    """One call of a primitive: float64 (or integer, or bool) operands and the attributes."""

    operands: tuple[Array, ...]
    attributes: dict[str, Any]


Samples = Callable[["np.random.Generator"], Sequence[Case]]

_SHAPES: tuple[tuple[int, ...], ...] = ((), (7,), (3, 5), (2, 1, 17))


def reals(*ranges: tuple[float, float], away_from: float | None = None) -> Samples:
    """Return element-wise cases: an operand for each (low, high), none within 0.05 of a kink `away_from`."""

    def draw(generator: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> Array:
        x = np.asarray(generator.uniform(low, high, shape))
        if away_from is not None:
            near = np.abs(x - away_from) < 0.05
            x = np.where(near, away_from + 0.05 + np.abs(x - away_from), x)
        return x

    return lambda generator: [
        Case(tuple(draw(generator, shape, low, high) for low, high in ranges), {}) for shape in _SHAPES
    ]


def apart(generator: np.random.Generator) -> list[Case]:
    """Return element-wise cases of two operands, either one the larger, by at least 0.1: away from a tie."""
    result = []
    for shape in _SHAPES:
        x = np.asarray(generator.uniform(-3, 3, shape))
        distance = generator.uniform(0.1, 3, shape) * generator.choice([-1, 1], shape)
        result.append(Case((x, np.asarray(x + distance)), {}))
    return result


def with_ties(generator: np.random.Generator) -> list[Case]:
    """Return element-wise cases of two operands of few different numbers, so that many are equal."""
    return [
        Case((np.round(one.operands[0]), np.round(one.operands[1])), {})
        for one in reals((-2, 2), (-2, 2))(generator)
    ]


def bools(arity: int) -> Samples:
    """Return element-wise cases of true and false."""
    return lambda generator: [
        Case(tuple(np.asarray(generator.random(shape) < 0.5) for _ in range(arity)), {}) for shape in _SHAPES
    ]


def cases(*recipes: tuple[Sequence[tuple[int, ...]], dict[str, Any]]) -> Samples:
    """Return cases with normally distributed operands of the given shapes, and attributes."""
    return lambda generator: [
        Case(tuple(generator.normal(size=shape) for shape in shapes), dict(attributes))
        for shapes, attributes in recipes
    ]
