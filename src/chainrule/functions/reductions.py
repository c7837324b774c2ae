"""Sums, means, extremes over axes, under the names of the Python array API."""

from __future__ import annotations

from typing import Any

from chainrule.functions.elementwise import _real
from chainrule.graph.trace import array_function
from chainrule.graph.types import BOOL, ROWS, normalize_axis
from chainrule.graph.value import Operand, Value, as_value
from chainrule.primitives import elementwise as rows
from chainrule.primitives.reductions import argmax as argmax_row
from chainrule.primitives.reductions import extent, max_, min_, sum_
from chainrule.primitives.shaping import reshape

Axis = int | tuple[int, ...] | None


def _axes(x: Value, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    chosen = (axis,) if isinstance(axis, int) else axis
    axes = sorted(normalize_axis(i, x.ndim) for i in chosen)
    if len(set(axes)) < len(axes):
        raise ValueError(f"the axes {axis} name one axis twice")
    return tuple(axes)


def _reduce(row: Any, x: Operand, axis: Axis, keepdims: bool) -> Value:
    x = as_value(x)
    if x.dtype == BOOL:
        x = rows.cast(x, dtype="int32")
    axes = _axes(x, axis)
    y: Value = row(x, axes=axes)
    if keepdims:
        y = reshape(y, shape=tuple(1 if i in axes else dim for i, dim in enumerate(x.shape)))
    return y


@array_function
def sum(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over axes; None is all of them. Bools are counted."""
    return _reduce(sum_, x, axis, keepdims)


@array_function
def max(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest element over axes. Equal largest ones share the derivative."""
    return _reduce(max_, x, axis, keepdims)


@array_function
def min(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the smallest element over axes. Equal smallest ones share the derivative."""
    return _reduce(min_, x, axis, keepdims)


@array_function
def mean(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the arithmetic mean over axes; the rows may be among them."""
    x = _real(x)
    return _reduce(sum_, x, axis, keepdims) / _count(x, _axes(x, axis))


def _count(x: Value, axes: tuple[int, ...]) -> Operand:
    """Return the number of elements along the axes: a Python number where it is known."""
    static, count = 1, None
    for dim in (x.shape[axis] for axis in axes):
        if dim is ROWS:
            count = extent(ROWS) if count is None else count * extent(ROWS)
        else:
            static *= int(dim)
    return static if count is None else count * static


@array_function
def var(x: Operand, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the variance over axes: the mean squared distance to the mean, over n - correction."""
    x = _real(x)
    deviation = x - mean(x, axis=axis, keepdims=True)
    count = _count(x, _axes(x, axis))
    return _reduce(sum_, deviation * deviation, axis, keepdims) / (
        count - correction if correction else count
    )


@array_function
def std(x: Operand, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the standard deviation over axes."""
    return rows.sqrt(var(_real(x), axis=axis, correction=correction, keepdims=keepdims))


@array_function
def argmax(x: Operand, /, *, axis: int, keepdims: bool = False) -> Any:
    """Return the position of the first largest element along an axis. It has no derivative."""
    return _reduce(argmax_row, x, axis, keepdims)


@array_function
def argmin(x: Operand, /, *, axis: int, keepdims: bool = False) -> Any:
    """Return the position of the first smallest element along an axis. It has no derivative."""
    return _reduce(argmax_row, -as_value(x), axis, keepdims)


@array_function
def all(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether every element is true."""
    return _reduce(sum_, rows.cast(rows.logical_not(x), dtype="int32"), axis, keepdims) == 0


@array_function
def any(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether an element is true."""
    return _reduce(sum_, rows.cast(x, dtype="int32"), axis, keepdims) > 0


@array_function
def logsumexp(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return ln Σ exp x over axes without overflow."""
    x = _real(x)
    largest = _reduce(max_, x, axis, True)
    shift = rows.stop_gradient(rows.where(rows.is_finite(largest), largest, 0))
    y = rows.log(_reduce(sum_, rows.exp(x - shift), axis, True)) + shift
    return y if keepdims else reshape(y, shape=_dropped(y, _axes(x, axis)))


def _dropped(x: Value, axes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(dim for i, dim in enumerate(x.shape) if i not in axes)


@array_function
def row_count(x: Operand, /) -> Any:
    """Return the size of the first axis of x as an int32 scalar, known or `rows`."""
    return extent(as_value(x).shape[0])
