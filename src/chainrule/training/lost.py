"""Which number of an array that is not finite is told of, and which row of the data made it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import Value


def place_of(value: Value, known: Mapping[Value, Array]) -> tuple[int, ...]:
    """Return the place of the first number that is not finite; of several rows, in that given the largest.

    A row that is far too large may take all rows of its batch with it, where their mean is taken off.
    """
    lost = ~np.isfinite(known[value])
    places, sizes = np.argwhere(lost), sizes_by_row(value, known)
    if ROWS in value.shape and sizes is not None:
        rows = places[:, value.shape.index(ROWS)]
        places = places[rows == rows[np.argmax(sizes[rows])]]
    return tuple(int(index) for index in places[0])


def sizes_by_row(value: Value, known: Mapping[Value, Array]) -> Array | None:
    """Return how large a part each row has in a value, by what it is computed from; None without rows."""
    sizes: Array | None = None
    for operand in value.operands:
        if ROWS in operand.shape and operand.dtype.kind == "f":
            largest = _largest_by_row(operand, known[operand])
            sizes = largest if sizes is None else sizes * largest
    return sizes


def _largest_by_row(value: Value, array: Array) -> Array:
    """Return the largest size of a number in each row, scaled so that products of two are finite."""
    axis = value.shape.index(ROWS)
    sizes = np.max(np.abs(array.astype(np.float64)), axis=tuple(i for i in range(array.ndim) if i != axis))
    result: Array = sizes / (np.max(sizes) or 1.0)
    return result
