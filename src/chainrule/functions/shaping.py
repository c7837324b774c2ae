"""Arrays made, reshaped, joined and indexed, under the names of the Python array API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.primitive import stretch
from chainrule.graph.trace import array_function
from chainrule.graph.types import (
    INT32,
    ROWS,
    Dim,
    Shape,
    as_dtype,
    broadcast_shapes,
    normalize_axis,
    static_size,
)
from chainrule.graph.value import OPERATORS, Operand, Value, as_value, constant, promote
from chainrule.primitives import elementwise as rows
from chainrule.primitives import indexing, shaping


@array_function
def full(shape: Shape, fill_value: float, *, dtype: object = "float64") -> Any:
    """Return an array of one number."""
    return stretch(constant(fill_value, as_dtype(dtype)), tuple(shape))


@array_function
def zeros(shape: Shape, *, dtype: object = "float32") -> Any:
    """Return an array of zeros."""
    return full(shape, 0.0, dtype=dtype)


@array_function
def ones(shape: Shape, *, dtype: object = "float32") -> Any:
    """Return an array of ones."""
    return full(shape, 1.0, dtype=dtype)


@array_function
def zeros_like(x: Operand, /) -> Any:
    """Return zeros of the shape and dtype of x."""
    x = as_value(x)
    return stretch(constant(0, x.dtype), x.shape)


@array_function
def ones_like(x: Operand, /) -> Any:
    """Return ones of the shape and dtype of x."""
    x = as_value(x)
    return stretch(constant(1, x.dtype), x.shape)


@array_function
def arange(stop: Dim, /) -> Any:
    """Return the integers 0, 1, ..., stop - 1."""
    return shaping.iota(size=stop)


@array_function
def one_hot(indices: Operand, size: int, *, dtype: object = "float32") -> Any:
    """Return for each integer i a row of `size` elements: 1 at position i, 0 elsewhere."""
    indices = as_value(indices)
    classes = shaping.iota(size=size)
    return rows.cast(expand_dims(indices, axis=-1) == classes, dtype=as_dtype(dtype).name)


@array_function
def broadcast_to(x: Operand, shape: Shape, /) -> Any:
    """Return x repeated to a shape."""
    x = as_value(x)
    if broadcast_shapes(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"{x.type} cannot be broadcast to the shape {tuple(shape)}")
    return stretch(x, tuple(shape))


@array_function
def reshape(x: Operand, /, shape: Shape) -> Any:
    """Return the elements of x, in row-major order, in another shape; one dimension may be -1."""
    x = as_value(x)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = [dim for dim in shape if dim is not ROWS and dim != -1]
        elements = static_size(tuple(dim for dim in x.shape if dim is not ROWS))
        rest = static_size(tuple(known))
        shape = tuple((elements // rest if rest else 0) if dim == -1 else dim for dim in shape)
    return shaping.reshape(x, shape=shape)


@array_function
def expand_dims(x: Operand, /, *, axis: int) -> Any:
    """Return x with a new axis of size 1."""
    x = as_value(x)
    axis = normalize_axis(axis, x.ndim + 1)
    return shaping.reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))


@array_function
def squeeze(x: Operand, /, axis: int | tuple[int, ...]) -> Any:
    """Return x without these axes, which have size 1."""
    x = as_value(x)
    axes = [normalize_axis(i, x.ndim) for i in ((axis,) if isinstance(axis, int) else axis)]
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(f"only axes of size 1 can be dropped, not {axis} of {x.type}")
    return shaping.reshape(x, shape=tuple(dim for i, dim in enumerate(x.shape) if i not in axes))


@array_function
def permute_dims(x: Operand, /, axes: Sequence[int]) -> Any:
    """Return x with its axes in another order."""
    x = as_value(x)
    return shaping.permute_dims(x, axes=tuple(normalize_axis(i, x.ndim) for i in axes))


@array_function
def matrix_transpose(x: Operand, /) -> Any:
    """Return x with its last two axes exchanged."""
    x = as_value(x)
    return shaping.permute_dims(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@array_function
def concat(arrays: Sequence[Operand], /, *, axis: int = 0) -> Any:
    """Return the arrays joined along an axis."""
    values = promote(tuple(as_value(x) for x in arrays))
    if not values:
        raise ValueError("concat needs at least one array")
    return shaping.concat(*values, axis=normalize_axis(axis, values[0].ndim))


@array_function
def stack(arrays: Sequence[Operand], /, *, axis: int = 0) -> Any:
    """Return the arrays joined along a new axis."""
    return concat([expand_dims(as_value(x), axis=axis) for x in arrays], axis=axis)


@array_function
def take(x: Operand, indices: Operand, /, *, axis: int = 0) -> Any:
    """Return the slices of x at integer positions along an axis; a position outside x gives NaN."""
    x, indices = as_value(x), as_value(indices)
    axis = normalize_axis(axis, x.ndim)
    front = (axis, *(i for i in range(x.ndim) if i != axis))
    y = indexing.take(x if axis == 0 else shaping.permute_dims(x, axes=front), indices)
    if axis == 0:
        return y
    n = indices.ndim
    order = (*range(n, n + axis), *range(n), *range(n + axis, y.ndim))
    return shaping.permute_dims(y, axes=order)


@array_function
def scatter_add(indices: Operand, updates: Operand, /, *, size: Dim) -> Any:
    """Return zeros of `size` slices to which the updates are added at the indices, in order."""
    return indexing.scatter_add(indices, updates, size=size)


# x[...] ------------------------------------------------------------------------------------------


def getitem(x: Value, index: Any) -> Value:
    """Return a part of x by Python's indexing: ints, slices with a positive step, None, ..., one integer array."""
    items = _without_ellipsis(x, index if isinstance(index, tuple) else (index,))
    start, stop, step, shape, axis = [], [], [], [], 0
    gather: tuple[int, Any] | None = None
    for item in items:
        if item is None:
            shape.append(1)
            continue
        dim = x.shape[axis]
        first, last, stride = _bounds(item, dim, axis, x)
        start.append(first)
        stop.append(last)
        step.append(stride)
        if not isinstance(item, int | np.integer):
            if not isinstance(item, slice):
                if gather is not None:
                    raise TypeError("x[...] takes one integer array; use cr.take for each further one")
                gather = (len(shape), item)
            shape.append(dim if dim is ROWS else -(-(int(last) - first) // stride))
        axis += 1
    y = x
    if tuple(stop) != x.shape or any(start) or any(stride != 1 for stride in step):
        y = shaping.slice_(y, start=tuple(start), stop=tuple(stop), step=tuple(step))
    if tuple(shape) != y.shape:
        y = shaping.reshape(y, shape=tuple(shape))
    return y if gather is None else take(y, gather[1], axis=gather[0])


def _without_ellipsis(x: Value, items: tuple[Any, ...]) -> list[Any]:
    used = len([item for item in items if item is not None and item is not Ellipsis])
    if used > x.ndim or len([item for item in items if item is Ellipsis]) > 1:
        raise IndexError(f"{x.type} has {x.ndim} dimensions, and the index names {used}")
    rest = [slice(None)] * (x.ndim - used)
    if not any(item is Ellipsis for item in items):
        return [*items, *rest]
    at = next(i for i, item in enumerate(items) if item is Ellipsis)
    return [*items[:at], *rest, *items[at + 1 :]]


def _bounds(item: Any, dim: Dim, axis: int, x: Value) -> tuple[int, Dim, int]:
    """Return start, stop and step along one axis."""
    whole = isinstance(item, slice) and item == slice(None)
    is_number = isinstance(item, int | np.integer) and not isinstance(item, bool)
    is_array = not is_number and not isinstance(item, slice)
    if is_array and as_value(item).dtype != INT32:
        raise TypeError(f"an index is an int, a slice, None, ... or an integer array, not {item!r}")
    if whole or is_array:
        return 0, dim, 1
    if dim is ROWS:
        raise IndexError("the rows can only be taken whole (x[:, ...]) or by an integer array")
    if is_number:
        if not -int(dim) <= item < int(dim):
            raise IndexError(f"{item} is outside the axis {axis} of {x.type}")
        return int(item) % int(dim), int(item) % int(dim) + 1, 1
    first, last, stride = item.indices(int(dim))
    if stride < 1:
        raise IndexError("a slice needs a positive step")
    return first, max(first, last), stride


OPERATORS["getitem"] = getitem
