"""Primitives that read and add at places given by numbers: take ↔ scatter_add."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.lowering import Gather, Scatter
from chainrule.graph.notation import ATOM, PRODUCT, RELATION, SUM, Notation
from chainrule.graph.primitive import Primitive, primitive
from chainrule.graph.samples import Case
from chainrule.graph.types import INT32, ROWS, Array, ArrayType, Dim
from chainrule.graph.value import Value
from chainrule.primitives.elementwise import where
from chainrule.primitives.reductions import extent
from chainrule.primitives.shaping import broadcast


def _take_type(x: ArrayType, indices: ArrayType) -> ArrayType:
    if not x.shape or indices.dtype != INT32:
        raise ValueError(
            f"it takes an array of at least one dimension and int32 indices, not {x} and {indices}"
        )
    return ArrayType((*indices.shape, *x.shape[1:]), x.dtype)


def _take(x: Array, indices: Array) -> Array:
    """Read slices of the first axis; outside it there is NaN, which nobody can overlook."""
    inside = (indices >= 0) & (indices < x.shape[0])
    if np.all(inside):
        return np.take(x, indices, axis=0)
    missing = np.asarray(np.nan if x.dtype.kind == "f" else 0, x.dtype)
    expanded = np.reshape(inside, inside.shape + (1,) * (x.ndim - 1))
    if not x.shape[0]:
        return np.full(indices.shape + x.shape[1:], missing)
    return np.where(expanded, np.take(x, np.where(inside, indices, 0), axis=0), missing)


def _take_samples(generator: np.random.Generator) -> list[Case]:
    return [
        Case((generator.normal(size=shape), generator.integers(0, shape[0], size).astype(np.int32)), {})
        for shape, size in (((5,), (3,)), ((5, 2), (4,)), ((3, 2), (2, 3)), ((4, 1, 2), ()))
    ]


take = primitive(
    "take",
    shape=_take_type,
    value=_take,
    derivative=lambda dy, y, x, indices: (scatter_add(indices, dy, size=x.shape[0]), None),
    lower=Gather(),
    notation=Notation(r"{<0>}_{<1>}", ATOM, (ATOM, RELATION)),
    samples=_take_samples,
)


def _scatter_type(indices: ArrayType, updates: ArrayType, size: Dim) -> ArrayType:
    ndim = len(indices.shape)
    if indices.dtype != INT32 or updates.shape[:ndim] != indices.shape:
        raise ValueError(f"it takes int32 indices and an update for each, not {indices} and {updates}")
    if updates.dtype.kind not in "fi" or (size is not ROWS and int(size) < 0):
        raise ValueError(f"it adds numbers into an array of {size}, not {updates}")
    return ArrayType((size, *updates.shape[ndim:]), updates.dtype)


def _scatter_add(indices: Array, updates: Array, size: int) -> Array:
    result = np.zeros((size, *updates.shape[indices.ndim :]), updates.dtype)
    inside = (indices >= 0) & (indices < size)
    np.add.at(result, indices[inside], updates[inside])
    return result


def _scatter_samples(generator: np.random.Generator) -> list[Case]:
    result = []
    for shape, rest, size in (((3,), (), 5), ((4,), (2,), 3), ((2, 3), (2,), 4), ((), (3,), 2)):
        indices: Any = np.asarray(generator.integers(0, size, shape), dtype=np.int32)
        result.append(Case((indices, generator.normal(size=shape + rest)), {"size": size}))
    return result


scatter_add: Primitive = primitive(
    "scatter_add",
    shape=_scatter_type,
    value=_scatter_add,
    derivative=lambda dy, y, indices, updates, size: (None, _at(dy, indices, size)),
    lower=Scatter(),
    notation=Notation(r"\sum_{<0> = k} <1>", PRODUCT, (SUM, PRODUCT)),  # of element k of the result
    samples=_scatter_samples,
)


def _at(dy: Value, indices: Value, size: Dim) -> Value:
    """Return dy at the indices, and zero for the updates that were dropped."""
    values = take(dy, indices)
    inside = (indices >= 0) & (indices < extent(size))
    return where(broadcast(inside, shape=values.shape, axes=tuple(range(indices.ndim))), values, 0)
