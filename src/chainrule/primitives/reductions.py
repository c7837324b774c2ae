"""Primitives that combine the elements along axes into one.

The axes are dropped; keeping them with size 1 is a `reshape` afterwards. At a tie `max` and `min` share the
derivative equally among the largest. Over no rows at all a sum is 0, and `max` and `min` are what every
number beats: -inf and inf.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.graph.lowering import Reduction
from chainrule.graph.notation import ATOM, PRODUCT, Notation
from chainrule.graph.primitive import primitive
from chainrule.graph.samples import Case, Samples
from chainrule.graph.types import INT32, ROWS, ArrayType, Dim, DType, Shape
from chainrule.graph.value import Value, as_value
from chainrule.primitives.elementwise import cast
from chainrule.primitives.shaping import Axes, broadcast, other_axes


def _reduced(x: ArrayType, axes: Axes) -> ArrayType:
    if list(axes) != sorted(set(axes)) or not all(0 <= axis < len(x.shape) for axis in axes):
        raise ValueError(f"the axes {axes} are not different axes of {x}, in order")
    if x.dtype.kind not in "fi":
        raise ValueError(f"it takes numbers, not {x.dtype}; cast first")
    return ArrayType(tuple(x.shape[axis] for axis in other_axes(len(x.shape), axes)), x.dtype)


def _not_empty(x: ArrayType, axes: Axes) -> ArrayType:
    reduced = _reduced(x, axes)
    if any(x.shape[axis] == 0 for axis in axes):
        raise ValueError(f"there is no largest or smallest element along the axes {axes} of {x}")
    return reduced


def spread(y: Value, shape: Shape, axes: Axes) -> Value:
    """Return y, a result of reducing `axes`, repeated along them to `shape`."""
    return broadcast(y, shape=shape, axes=other_axes(len(shape), axes))


def _samples(away_from_ties: bool = False) -> Samples:
    def draw(generator: np.random.Generator) -> list[Case]:
        result = []
        for shape, axes in (
            ((7,), (0,)),
            ((3, 5), (0,)),
            ((3, 5), (1,)),
            ((3, 5), (0, 1)),
            ((2, 3, 4), (0, 2)),
        ):
            x = generator.normal(size=shape)
            if away_from_ties:
                x = generator.permutation(math.prod(shape)).reshape(shape) / 4.0
            result.append(Case((x,), {"axes": axes}))
        return result

    return draw


sum_ = primitive(
    "sum",
    shape=_reduced,
    value=lambda x, axes: np.sum(x, axis=axes, dtype=x.dtype),
    derivative=lambda dy, y, x, axes: (spread(dy, x.shape, axes),),
    lower=Reduction(
        start=lambda b, dtype: (b.constant(0, dtype),),
        combine=lambda b, accumulators, x, position: (b.add(accumulators[0], x),),
        added=True,
    ),
    notation=Notation(r"\sum_{<axes>} <0>", PRODUCT, (PRODUCT,)),
    samples=_samples(),
)


def extent(dim: Dim) -> Value:
    """Return a dimension as an int32 value: the number, or the rows counted."""
    return as_value(dim) if dim is not ROWS else sum_(broadcast(1, shape=(ROWS,), axes=()), axes=(0,))


def _share(dy: Value, y: Value, x: Value, axes: Axes) -> tuple[Value]:
    """Give the derivative of max and min to the elements that are y, in equal parts."""
    reached = cast(x == spread(y, x.shape, axes), dtype=x.dtype.name)
    return (reached * spread(dy / sum_(reached, axes=axes), x.shape, axes),)


def _extreme(dtype: str | DType, sign: int) -> float:
    """Return the largest (sign 1) or smallest (-1) number of a dtype."""
    if np.dtype(dtype).kind == "f":
        return sign * math.inf
    limits = np.iinfo(INT32)
    return limits.max if sign > 0 else limits.min


def _extreme_reduction(better: Any, worst: int) -> Reduction:
    """Keep the better of two elements, and a NaN once there is one."""

    def combine(b: Any, accumulators: Any, x: Any, position: Any) -> Any:
        best = accumulators[0]
        keep = b.logical_or(better(b, best, x), b.logical_not(b.equal(best, best)))
        return (b.select(keep, best, x),)

    return Reduction(start=lambda b, dtype: (b.constant(_extreme(dtype, worst), dtype),), combine=combine)


max_ = primitive(
    "max",
    shape=_not_empty,
    value=lambda x, axes: np.max(x, axis=axes, initial=_extreme(x.dtype, -1)),
    derivative=_share,
    lower=_extreme_reduction(lambda b, best, x: b.less(x, best), -1),
    notation=Notation(r"\max_{<axes>} <0>", PRODUCT, (PRODUCT,)),
    samples=_samples(away_from_ties=True),
)

min_ = primitive(
    "min",
    shape=_not_empty,
    value=lambda x, axes: np.min(x, axis=axes, initial=_extreme(x.dtype, +1)),
    derivative=_share,
    lower=_extreme_reduction(lambda b, best, x: b.less(best, x), +1),
    notation=Notation(r"\min_{<axes>} <0>", PRODUCT, (PRODUCT,)),
    samples=_samples(away_from_ties=True),
)


def _argmax_type(x: ArrayType, axes: Axes) -> ArrayType:
    if len(axes) != 1:
        raise ValueError(f"it takes one axis, not {axes}")
    reduced = _not_empty(x, axes)
    if x.shape[axes[0]] is ROWS:
        raise ValueError("it cannot look along the rows")
    return ArrayType(reduced.shape, INT32)


def _argmax_lower() -> Reduction:
    """Keep (value, position): the first largest, or the first NaN."""

    def combine(b: Any, accumulators: Any, x: Any, position: Any) -> Any:
        best, where = accumulators
        best_is_number = b.equal(best, best)
        take = b.logical_and(best_is_number, b.logical_not(b.less_equal(x, best)))
        return b.select(take, x, best), b.select(take, position, where)

    return Reduction(
        start=lambda b, dtype: (
            b.constant(_extreme(dtype, -1), dtype),
            b.constant(0, "int32"),
        ),
        combine=combine,
        finish=lambda b, accumulators: accumulators[1],
    )


argmax = primitive(
    "argmax",
    shape=_argmax_type,
    value=lambda x, axes: np.argmax(x, axis=axes[0]).astype(np.int32),
    derivative=None,
    why_not="its result is a position, which does not vary continuously",
    lower=_argmax_lower(),
    notation=Notation(r"\operatorname{arg\,max}_{<axes>} <0>", ATOM, (PRODUCT,)),
    samples=lambda generator: [
        case for case in _samples(True)(generator) if len(case.attributes["axes"]) == 1
    ],
)
