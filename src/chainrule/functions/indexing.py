"""Arrays read, and added to, at places given by numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.functions.comparison import where
from chainrule.graph.trace import operation
from chainrule.graph.types import INT32, ROWS, Dim, normalize_axis
from chainrule.graph.value import OPERATORS, Operand, Value, as_value, constant
from chainrule.primitives import indexing, shaping


@operation
def take(x: Operand, indices: Operand, /, *, axis: int = 0) -> Any:
    """Return the slices of x at integer positions along an axis.

    Parameters
    ----------
    x : array
        Of at least one dimension.
    indices : array of int
        Positions from 0 on. One outside x, as every negative one, gives NaN, in an array of integers 0.
    axis : int, default 0
        Along which to take; the rows may be taken from.

    Returns
    -------
    array
        With the axes of `indices` in place of the axis. Its derivative is added to x at the positions.

    Raises
    ------
    ValueError
        If x has no such axis, or the indices are no integers.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.take(np.array([10.0, 20.0, 30.0]), np.array([2, 0, 2]))
    array([30., 10., 30.])
    """
    x, indices = as_value(x), as_value(indices)
    axis = normalize_axis(axis, x.ndim)
    if axis == 0:
        return indexing.take(x, indices)
    front = (axis, *(i for i in range(x.ndim) if i != axis))
    y = indexing.take(shaping.permute_dims(x, axes=front), indices)
    n = indices.ndim
    return shaping.permute_dims(y, axes=(*range(n, n + axis), *range(n), *range(n + axis, y.ndim)))


@operation
def scatter_add(indices: Operand, updates: Operand, /, *, size: Dim) -> Any:
    """Return zeros of `size` slices to which updates are added at integer positions, in order.

    Parameters
    ----------
    indices : array of int
        Positions from 0 to size - 1; an update for any other is dropped.
    updates : array
        Of shape (*indices.shape, ...): a slice for each position.
    size : int
        The length of the first axis of the result; `rows` while a graph is traced.

    Returns
    -------
    array
        Of shape (size, ...) and the dtype of the updates.

    Raises
    ------
    ValueError
        If there is not one update for each index.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.scatter_add(np.array([2, 0, 2]), np.array([1.0, 10.0, 100.0]), size=4)
    array([ 10.,   0., 101.,   0.])
    """
    return indexing.scatter_add(indices, updates, size=size)


# x[...] ------------------------------------------------------------------------------------------


def getitem(x: Operand, index: Any) -> Value:
    """Return a part of x by Python's indexing.

    An index is an int, a slice, None, ..., or one integer array, whose axes stand in the result where the
    axis was. The rows are taken whole or by an integer array, in which no number counts from their end.
    """
    x = as_value(x)
    cuts: list[_Cut] = []  # one for each axis of x
    shape: list[Dim] = []  # that of what is cut out, with new axes, and without those that a number has taken
    gather: tuple[int, Value] | None = None
    for item in _without_ellipsis(x, index if isinstance(index, tuple) else (index,)):
        if item is None:
            shape.append(1)
            continue
        cut = _cut(item, len(cuts), x)
        cuts.append(cut)
        if isinstance(item, int | np.integer):
            continue
        if not isinstance(item, slice):
            if gather is not None:
                raise TypeError("x[...] takes one integer array; use cr.take for each further one")
            gather = (len(shape), _from_the_front(as_value(item), len(cuts) - 1, x))
        shape.append(cut.size)

    y: Value = x
    start, stop, step = (tuple(getattr(cut, name) for cut in cuts) for name in ("start", "stop", "step"))
    if stop != x.shape or any(start) or any(stride != 1 for stride in step):
        y = shaping.slice_(y, start=start, stop=stop, step=step)
    for axis, cut in enumerate(cuts):
        if cut.backwards:
            y = _reversed(y, axis)
    if tuple(shape) != y.shape:
        y = shaping.reshape(y, shape=tuple(shape))
    if gather is not None:
        axis, indices = gather
        y = take(y, indices, axis=axis)
    return y


class _Cut(NamedTuple):
    """What is taken along one axis: forwards, and then turned round if it goes backwards."""

    start: int
    stop: Dim
    step: int = 1
    backwards: bool = False

    @property
    def size(self) -> Dim:
        """How many elements it has."""
        return self.stop if self.stop is ROWS else -(-(int(self.stop) - self.start) // self.step)


def _without_ellipsis(x: Value, items: tuple[Any, ...]) -> list[Any]:
    """Return the index with an item for every axis: what it does not name is taken whole."""
    places = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexError("an index has at most one ...")
    used = len([item for item in items if item is not None and item is not Ellipsis])
    if used > x.ndim:
        raise IndexError(f"{x.type} has {x.ndim} dimensions, and the index names {used}")
    at = places[0] if places else len(items)
    return [*items[:at], *[slice(None)] * (x.ndim - used), *items[at + 1 :]]


def _cut(item: Any, axis: int, x: Value) -> _Cut:
    """Return what an item of an index takes along an axis; an integer array takes from all of it."""
    dim = x.shape[axis]
    whole = isinstance(item, slice) and item == slice(None)
    is_number = isinstance(item, int | np.integer) and not isinstance(item, bool)
    is_array = not is_number and not isinstance(item, slice)
    if is_array and as_value(item).dtype != INT32:
        raise TypeError(
            f"an index is an int, a slice, None, ... or an integer array, not {item!r}; "
            "what a mask would choose, cr.where does"
        )
    if whole or is_array:
        return _Cut(0, dim)
    if dim is ROWS:
        raise IndexError("the rows can only be taken whole (x[:, ...]) or by an integer array")
    if is_number:
        if not -int(dim) <= item < int(dim):
            raise IndexError(f"{item} is outside the axis {axis} of {x.type}")
        place = int(item) % int(dim)
        return _Cut(place, place + 1)
    places = range(*item.indices(int(dim)))
    if not places:
        return _Cut(0, 0, backwards=places.step < 0)
    first, last = sorted((places[0], places[-1]))
    return _Cut(first, last + 1, abs(places.step), backwards=places.step < 0)


def _from_the_front(indices: Value, axis: int, x: Value) -> Value:
    """Return positions along an axis of which none counts from its end."""
    dim, known = x.shape[axis], indices.data
    if known is not None and not (known < 0).any() and (dim is ROWS or (known < int(dim)).all()):
        return indices
    if dim is ROWS:
        if known is None:
            return indices
        raise IndexError(f"{known.min()} would count from the end of the rows, whose number is not known")
    if known is not None:
        for place in (known.min(), known.max()):
            if not -int(dim) <= place < int(dim):
                raise IndexError(f"{place} is outside the axis {axis} of {x.type}")
    return where(indices < 0, indices + int(dim), indices)


def _reversed(x: Value, axis: int) -> Value:
    """Return the elements along an axis from the last to the first."""
    size = int(x.shape[axis])
    last = constant(size - 1, INT32)
    return take(x, last - shaping.iota(size=size), axis=axis)


OPERATORS["getitem"] = getitem
