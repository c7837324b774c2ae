"""Primitives that place elements elsewhere and compute nothing.

They are closed under transposition: the derivative of each is another of them or a sum:
broadcast ↔ sum, reshape ↔ reshape, permute_dims ↔ permute_dims, slice ↔ pad, concat ↔ slices.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from chainrule.graph.lowering import Expression, Reindex
from chainrule.graph.notation import ATOM, POWER, Notation
from chainrule.graph.primitive import Primitive, primitive
from chainrule.graph.samples import Case, cases
from chainrule.graph.types import INT32, ROWS, Array, ArrayType, Dim, Shape, as_dtype, str_shape
from chainrule.graph.value import Value, call

Axes = tuple[int, ...]
NOTHING_TO_DERIVE = "it has no operands"


# Made from nothing -------------------------------------------------------------------------------

constant = primitive(
    "constant",
    shape=lambda value, dtype: ArrayType((), as_dtype(dtype)),
    value=lambda value, dtype: np.asarray(value, dtype),
    derivative=None,
    why_not=NOTHING_TO_DERIVE,
    lower=Expression(lambda b, value, dtype: b.constant(value, dtype)),
    notation=Notation("<value>", ATOM),
    samples=lambda generator: [
        Case((), {"value": value, "dtype": dtype})
        for value, dtype in ((0.1, "float32"), (0.1, "float64"), (-3, "int32"), (True, "bool"))
    ],
)

iota = primitive(
    "iota",
    shape=lambda size: ArrayType((size,), INT32),
    value=lambda size: np.arange(size, dtype=np.int32),
    derivative=None,
    why_not=NOTHING_TO_DERIVE,
    lower=Expression(lambda b, size: b.index(0)),
    notation=Notation(r"\left(0, \dots, <size> - 1\right)", ATOM),
    samples=lambda generator: [Case((), {"size": size}) for size in (0, 1, 17)],
)


# broadcast ---------------------------------------------------------------------------------------


def _broadcast_type(x: ArrayType, shape: Shape, axes: Axes) -> ArrayType:
    """Lay the axes of x along the given axes of the result; along the others it is repeated."""
    fits = (
        len(axes) == len(x.shape) and list(axes) == sorted(set(axes)) and set(axes) <= set(range(len(shape)))
    )
    if not fits or tuple(shape[axis] for axis in axes) != x.shape:
        raise ValueError(f"{x} cannot be laid along the axes {axes} of {str_shape(shape)}")
    return ArrayType(shape, x.dtype)


def _broadcast(x: Array, shape: tuple[int, ...], axes: Axes) -> Array:
    aligned = np.reshape(x, [shape[axis] if axis in axes else 1 for axis in range(len(shape))])
    return np.broadcast_to(aligned, shape)


def other_axes(ndim: int, axes: Axes) -> Axes:
    """Return the axes that are not among these."""
    return tuple(axis for axis in range(ndim) if axis not in axes)


broadcast = primitive(
    "broadcast",
    shape=_broadcast_type,
    value=_broadcast,
    derivative=lambda dy, y, x, shape, axes: (call("sum", dy, axes=other_axes(len(shape), axes)),),
    lower=Reindex(lambda b, index, types, shape, axes: [(tuple(index[axis] for axis in axes), None)]),
    notation=Notation("<0>", ATOM),
    samples=cases(
        (((),), {"shape": (3, 4), "axes": ()}),
        (((4,),), {"shape": (3, 4), "axes": (1,)}),
        (((3,),), {"shape": (3, 4), "axes": (0,)}),
        (((2, 4),), {"shape": (2, 3, 4), "axes": (0, 2)}),
    ),
)


# reshape -----------------------------------------------------------------------------------------


def _reshape_type(x: ArrayType, shape: Shape) -> ArrayType:
    if _sizes_around_rows(x.shape) != _sizes_around_rows(shape):
        raise ValueError(
            f"{x} does not have as many elements as {str_shape(shape)}, with the rows kept apart"
        )
    return ArrayType(shape, x.dtype)


def _sizes_around_rows(shape: Shape) -> list[int]:
    """Return the number of elements between the axes that are `rows`."""
    return [math.prod(int(shape[axis]) for axis in group) for group in _groups(shape)]


def _groups(shape: Shape) -> list[range]:
    """Return the runs of axes before, between and after the axes that are `rows`."""
    at = [-1, *(axis for axis, dim in enumerate(shape) if dim is ROWS), len(shape)]
    return [range(before + 1, after) for before, after in itertools.pairwise(at)]


def _reshape_sources(b: Any, index: Any, types: Any, shape: Shape) -> Any:
    """Find the element of the same row-major position within each run of axes between the `rows`."""
    source: list[Any] = []
    old = types[0].shape
    for new_group, old_group in zip(_groups(shape), _groups(old), strict=True):
        linear = b.constant(0, "int32")
        for axis in new_group:
            linear = b.add(b.multiply(linear, b.size(shape[axis])), index[axis])
        places: list[Any] = []
        for axis in reversed(old_group):
            places.insert(0, b.modulo(linear, b.size(old[axis])))
            linear = b.divide(linear, b.size(old[axis]))
        source += places
        if old_group.stop < len(old):
            source.append(index[new_group.stop])
    return [(tuple(source), None)]


reshape: Primitive = primitive(
    "reshape",
    shape=_reshape_type,
    value=lambda x, shape: np.reshape(x, shape),
    derivative=lambda dy, y, x, shape: (reshape(dy, shape=x.shape),),
    lower=Reindex(_reshape_sources),
    notation=Notation("<0>", ATOM),
    samples=cases(
        (((),), {"shape": (1, 1)}),
        (((3, 4),), {"shape": (12,)}),
        (((2, 6),), {"shape": (3, 1, 4)}),
    ),
)


# permute_dims ------------------------------------------------------------------------------------


def _permute_type(x: ArrayType, axes: Axes) -> ArrayType:
    if sorted(axes) != list(range(len(x.shape))):
        raise ValueError(f"the axes {axes} are not all the axes of {x}")
    return ArrayType(tuple(x.shape[axis] for axis in axes), x.dtype)


def _inverse(axes: Axes) -> Axes:
    return tuple(axes.index(axis) for axis in range(len(axes)))


permute_dims: Primitive = primitive(
    "permute_dims",
    shape=_permute_type,
    value=lambda x, axes: np.transpose(x, axes),
    derivative=lambda dy, y, x, axes: (permute_dims(dy, axes=_inverse(axes)),),
    lower=Reindex(lambda b, index, types, axes: [(tuple(index[i] for i in _inverse(axes)), None)]),
    notation=Notation(r"{<0>}^{\mathsf T<axes>}", POWER, (ATOM,)),
    samples=cases(
        (((3, 4),), {"axes": (1, 0)}),
        (((2, 3, 4),), {"axes": (2, 0, 1)}),
    ),
)


# slice ↔ pad -------------------------------------------------------------------------------------


def _slice_type(x: ArrayType, *, start: Axes, stop: Shape, step: Axes) -> ArrayType:
    if not len(start) == len(stop) == len(step) == len(x.shape):
        raise ValueError(f"start, stop and step need a number for each axis of {x}")
    dims: list[Dim] = []
    for dim, first, last, stride in zip(x.shape, start, stop, step, strict=True):
        if dim is ROWS or last is ROWS:
            if (first, last, stride) != (0, dim, 1):
                raise ValueError(f"the rows of {x} can only be taken whole")
            dims.append(dim)
        elif not 0 <= first <= int(last) <= int(dim) or stride < 1:
            raise ValueError(f"{first}:{last}:{stride} does not lie within an axis of {dim}")
        else:
            dims.append(-(-(int(last) - first) // stride))
    return ArrayType(tuple(dims), x.dtype)


def _d_slice(dy: Value, y: Value, x: Value, *, start: Axes, stop: Shape, step: Axes) -> tuple[Value]:
    """Put dy back in its places and zeros elsewhere."""
    low, high, between = [], [], []
    for dim, size, first, stride in zip(x.shape, y.shape, start, step, strict=True):
        whole = dim is ROWS
        covered = 0 if whole or size == 0 else (int(size) - 1) * stride + 1
        low.append(0 if whole else first)
        high.append(0 if whole else int(dim) - first - covered)
        between.append(0 if whole else stride - 1)
    return (pad(dy, low=tuple(low), high=tuple(high), between=tuple(between)),)


def _slice_sources(b: Any, index: Any, types: Any, *, start: Axes, stop: Shape, step: Axes) -> Any:
    at = [
        b.add(b.multiply(i, b.constant(stride, "int32")), b.constant(first, "int32"))
        for i, first, stride in zip(index, start, step, strict=True)
    ]
    return [(tuple(at), None)]


slice_ = primitive(
    "slice",
    shape=_slice_type,
    value=lambda x, start, stop, step: x[tuple(map(slice, start, stop, step))],
    derivative=_d_slice,
    lower=Reindex(_slice_sources),
    notation=Notation(r"{<0>}_{<start>:<stop>}", ATOM, (ATOM,)),
    samples=cases(
        (((5,),), {"start": (1,), "stop": (4,), "step": (1,)}),
        (((3, 8),), {"start": (0, 1), "stop": (3, 8), "step": (1, 3)}),
        (((3, 8),), {"start": (2, 0), "stop": (3, 7), "step": (1, 2)}),
        (((4,),), {"start": (2,), "stop": (2,), "step": (1,)}),
    ),
)


def _pad_type(x: ArrayType, *, low: Axes, high: Axes, between: Axes) -> ArrayType:
    if (
        not len(low) == len(high) == len(between) == len(x.shape)
        or min((*low, *high, *between), default=0) < 0
    ):
        raise ValueError(f"low, high and between need a number, not negative, for each axis of {x}")
    dims: list[Dim] = []
    for dim, before, after, gap in zip(x.shape, low, high, between, strict=True):
        if dim is ROWS:
            if before or after or gap:
                raise ValueError(f"the rows of {x} cannot be padded")
            dims.append(dim)
        else:
            dims.append(before + _spread_size(int(dim), gap) + after)
    return ArrayType(tuple(dims), x.dtype)


def _spread_size(size: int, gap: int) -> int:
    return size + max(size - 1, 0) * gap


def _pad(x: Array, *, low: Axes, high: Axes, between: Axes) -> Array:
    places = tuple(
        slice(before, before + _spread_size(size, gap), gap + 1)
        for size, before, gap in zip(x.shape, low, between, strict=True)
    )
    shape = [
        before + _spread_size(size, gap) + after
        for size, before, after, gap in zip(x.shape, low, high, between, strict=True)
    ]
    result = np.zeros(shape, x.dtype)
    result[places] = x
    return result


def _d_pad(dy: Value, y: Value, x: Value, *, low: Axes, high: Axes, between: Axes) -> tuple[Value]:
    stop = [
        dim if dim is ROWS else before + _spread_size(int(dim), gap)
        for dim, before, gap in zip(x.shape, low, between, strict=True)
    ]
    return (slice_(dy, start=low, stop=tuple(stop), step=tuple(gap + 1 for gap in between)),)


def _pad_sources(b: Any, index: Any, types: Any, *, low: Axes, high: Axes, between: Axes) -> Any:
    source, inside = [], b.constant(True, "bool")
    for i, dim, before, gap in zip(index, types[0].shape, low, between, strict=True):
        offset = b.subtract(i, b.constant(before, "int32"))
        stride = b.constant(gap + 1, "int32")
        place = b.divide(offset, stride)
        on_grid = b.equal(b.multiply(place, stride), offset)
        within = b.logical_and(b.less_equal(b.constant(0, "int32"), offset), b.less(place, b.size(dim)))
        inside = b.logical_and(inside, b.logical_and(on_grid, within))
        source.append(place)
    return [(tuple(source), inside)]


pad = primitive(
    "pad",
    shape=_pad_type,
    value=_pad,
    derivative=_d_pad,
    lower=Reindex(_pad_sources),
    notation=Notation(r"\operatorname{pad}\left(<0>\right)", ATOM),
    samples=cases(
        (((5,),), {"low": (1,), "high": (2,), "between": (0,)}),
        (((3, 4),), {"low": (0, 1), "high": (0, 0), "between": (0, 2)}),
        (((0,),), {"low": (1,), "high": (1,), "between": (1,)}),
    ),
)


# concat ------------------------------------------------------------------------------------------


def _concat_type(*types: ArrayType, axis: int) -> ArrayType:
    if not types:
        raise ValueError("it needs at least one array")
    first = types[0]
    if not 0 <= axis < len(first.shape):
        raise ValueError(f"axis {axis} does not exist in {first}")
    total = 0
    for other in types:
        rest = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in (first, other) if axis < len(t.shape)]
        if len(rest) != 2 or rest[0] != rest[1] or other.dtype != first.dtype:
            raise ValueError(f"{first} and {other} differ in more than the axis {axis}")
        if other.shape[axis] is ROWS:
            raise ValueError("arrays cannot be joined along the rows")
        total += int(other.shape[axis])
    return ArrayType((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _d_concat(dy: Value, y: Value, *xs: Value, axis: int) -> tuple[Value, ...]:
    parts, offset = [], 0
    for x in xs:
        size = int(x.shape[axis])
        start = tuple(offset if i == axis else 0 for i in range(dy.ndim))
        stop = tuple(offset + size if i == axis else dim for i, dim in enumerate(dy.shape))
        parts.append(slice_(dy, start=start, stop=stop, step=(1,) * dy.ndim))
        offset += size
    return tuple(parts)


def _concat_sources(b: Any, index: Any, types: Any, axis: int) -> Any:
    sources, offset = [], 0
    for type_ in types:
        place = b.subtract(index[axis], b.constant(offset, "int32"))
        offset += type_.shape[axis]
        here = b.less(index[axis], b.constant(offset, "int32"))
        sources.append(((*index[:axis], place, *index[axis + 1 :]), here))
    return sources


concat = primitive(
    "concat",
    shape=_concat_type,
    value=lambda *xs, axis: np.concatenate(xs, axis=axis),
    derivative=_d_concat,
    lower=Reindex(_concat_sources),
    notation=Notation(r"\operatorname{concat}\left(<*>\right)", ATOM),
    samples=cases(
        (((3,), (2,)), {"axis": 0}),
        (((3, 1), (3, 4), (3, 2)), {"axis": 1}),
        (((2, 3), (0, 3)), {"axis": 0}),
    ),
)
