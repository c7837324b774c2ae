"""Sums, means, extremes over axes, under the names of the Python array API.

`axis` is an int, a tuple of ints, or None for all axes; negative ones count from the last. The rows may be
among them. With `keepdims` the axes stay, with size 1, so that the result broadcasts against x.
"""

from __future__ import annotations

from typing import Any

from chainrule.functions.arguments import as_real
from chainrule.graph.options import as_flag
from chainrule.graph.primitive import Primitive
from chainrule.graph.trace import operation
from chainrule.graph.types import BOOL, INT32, ROWS, normalize_axes, normalize_axis
from chainrule.graph.value import Operand, Value, as_value
from chainrule.primitives import elementwise as rows
from chainrule.primitives.reductions import argmax as argmax_row
from chainrule.primitives.reductions import extent, max_, min_, sum_
from chainrule.primitives.shaping import reshape

Axis = int | tuple[int, ...] | None


def _axes(x: Value, axis: Axis) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if axis is None else normalize_axes(axis, x.ndim)


def _reduce(row: Primitive, x: Operand, axis: Axis, keepdims: bool) -> Value:
    x = as_value(x)
    if x.dtype == BOOL:
        x = rows.cast(x, dtype="int32")
    axes = _axes(x, axis)
    y = row(x, axes=axes)
    if as_flag(keepdims, "keepdims"):
        y = reshape(y, shape=tuple(1 if i in axes else dim for i, dim in enumerate(x.shape)))
    return y


@operation
def sum(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the sum over axes. Bools are counted.

    Parameters
    ----------
    x : array
        Numbers or bools.
    axis : int, tuple of int, or None, default None
        Over which to add; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Of the dtype of x; bools give int32. Integers are added in int32. The sum of nothing is 0.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    return _reduce(sum_, x, axis, keepdims)


@operation
def max(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the largest element over axes; NaN if one is.

    Parameters
    ----------
    x : array
        Numbers.
    axis : int, tuple of int, or None, default None
        Over which to look; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Of the dtype of x. Equal largest elements share the derivative.

    Raises
    ------
    ValueError
        If x has no such axis, or nothing along it.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.max(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([2., 3.])
    """
    return _reduce(max_, x, axis, keepdims)


@operation
def min(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the smallest element over axes; NaN if one is.

    Parameters
    ----------
    x : array
        Numbers.
    axis : int, tuple of int, or None, default None
        Over which to look; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Of the dtype of x. Equal smallest elements share the derivative.

    Raises
    ------
    ValueError
        If x has no such axis, or nothing along it.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.min(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([1., 0.])
    """
    return _reduce(min_, x, axis, keepdims)


@operation
def mean(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the arithmetic mean over axes: the sum over the number of elements.

    Parameters
    ----------
    x : array
        Numbers or bools; integers become floats.
    axis : int, tuple of int, or None, default None
        Over which to average; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Floats. The mean of nothing is NaN.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    array([1.5, 3.5])
    """
    x = as_real(x)
    return _reduce(sum_, x, axis, keepdims) / _count(x, _axes(x, axis))


def _count(x: Value, axes: tuple[int, ...]) -> Operand:
    """Return the number of elements along the axes: a Python number where it is known."""
    count: Operand = 1
    for dim in (x.shape[axis] for axis in axes):
        size = extent(ROWS) if dim is ROWS else int(dim)
        count = size if isinstance(count, int) and count == 1 else count * size
    return count


@operation
def var(x: Operand, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the variance over axes: the sum of squared distances to the mean, over n - correction.

    Parameters
    ----------
    x : array
        Numbers; integers become floats.
    axis : int, tuple of int, or None, default None
        Over which to average; None is all axes.
    correction : float, default 0.0
        Taken from the number n of elements: 0 for the variance of these elements, 1 for an unbiased estimate
        from a sample.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Floats.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.var(np.array([[1.0, 3.0], [2.0, 2.0]]), axis=1)
    array([1., 0.])
    """
    x = as_real(x)
    deviation = x - mean(x, axis=axis, keepdims=True)
    count = _count(x, _axes(x, axis))
    degrees = count - correction if correction else count
    return _reduce(sum_, deviation * deviation, axis, keepdims) / degrees


@operation
def std(x: Operand, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the standard deviation over axes: the square root of the variance.

    Parameters
    ----------
    x : array
        Numbers; integers become floats.
    axis : int, tuple of int, or None, default None
        Over which to average; None is all axes.
    correction : float, default 0.0
        Taken from the number of elements, as in `var`.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Floats. Where all elements are equal it has no derivative: it is NaN.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.std(np.array([[1.0, 3.0], [2.0, 2.0]]), axis=1)
    array([1., 0.])
    """
    return rows.sqrt(var(as_real(x), axis=axis, correction=correction, keepdims=keepdims))


@operation
def argmax(x: Operand, /, *, axis: int, keepdims: bool = False) -> Any:
    """Return the position of the first largest element along an axis, or of the first NaN.

    Parameters
    ----------
    x : array
        Numbers.
    axis : int
        Along which to look; not the rows.
    keepdims : bool, default False
        Whether the axis stays, with size 1.

    Returns
    -------
    array of int32
        Positions, which have no derivative.

    Raises
    ------
    ValueError
        If x has no such axis, or nothing along it.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.argmax(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([1, 0], dtype=int32)
    """
    return _reduce(argmax_row, x, axis, keepdims)


@operation
def argmin(x: Operand, /, *, axis: int, keepdims: bool = False) -> Any:
    """Return the position of the first smallest element along an axis, or of the first NaN.

    Parameters
    ----------
    x : array
        Numbers.
    axis : int
        Along which to look; not the rows.
    keepdims : bool, default False
        Whether the axis stays, with size 1.

    Returns
    -------
    array of int32
        Positions, which have no derivative.

    Raises
    ------
    ValueError
        If x has no such axis, or nothing along it.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.argmin(np.array([[1.0, 2.0], [3.0, 0.0]]), axis=1)
    array([0, 1], dtype=int32)
    """
    x = as_value(x)
    reversed_order = -1 - rows.cast(x, dtype="int32") if x.dtype in (BOOL, INT32) else -x  # -(-2³¹) overflows
    return _reduce(argmax_row, reversed_order, axis, keepdims)


def _truth(x: Operand) -> Value:
    truth = as_value(x)
    if truth.dtype != BOOL:
        truth = rows.not_equal(truth, 0)
    return truth


@operation
def all(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether every element is true.

    Parameters
    ----------
    x : array
        Bools, or numbers, of which all but 0 are true.
    axis : int, tuple of int, or None, default None
        Over which to look; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array of bool
        True where there is no element.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.all(np.array([[True, True], [True, False]]), axis=1)
    array([ True, False])
    """
    return _reduce(sum_, rows.logical_not(_truth(x)), axis, keepdims) == 0


@operation
def any(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return whether at least one element is true.

    Parameters
    ----------
    x : array
        Bools, or numbers, of which all but 0 are true.
    axis : int, tuple of int, or None, default None
        Over which to look; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array of bool
        False where there is no element.

    Raises
    ------
    ValueError
        If x has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.any(np.array([[True, False], [False, False]]), axis=1)
    array([ True, False])
    """
    return _reduce(sum_, _truth(x), axis, keepdims) > 0


@operation
def logsumexp(x: Operand, /, *, axis: Axis = None, keepdims: bool = False) -> Any:
    r"""Return the logarithm of a sum of exponentials over axes, without overflow: a smooth maximum.

    .. math:: y = \ln \sum_i e^{x_i}

    Parameters
    ----------
    x : array
        Numbers; integers become floats.
    axis : int, tuple of int, or None, default None
        Over which to add; None is all axes.
    keepdims : bool, default False
        Whether these axes stay, with size 1.

    Returns
    -------
    array
        Floats: -inf where all elements are, +inf where one is. The derivative is the softmax of x.

    Raises
    ------
    ValueError
        If x has no such axis, or nothing along it.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """
    x = as_real(x)
    below, largest = below_largest(x, axis)
    y = rows.log(_reduce(sum_, rows.exp(below), axis, True)) + largest
    if as_flag(keepdims, "keepdims"):
        return y
    axes = _axes(x, axis)
    return reshape(y, shape=tuple(dim for i, dim in enumerate(y.shape) if i not in axes))


def below_largest(x: Value, axis: Axis) -> tuple[Value, Value]:
    """Return x minus its largest element over the axes, which stay, and what was subtracted.

    The exponential of the first cannot overflow. What was subtracted counts as constant: where this is used
    the result does not depend on it. A largest element that is not finite is not subtracted: ∞ - ∞ is NaN.
    """
    largest = _reduce(max_, x, axis, True)
    shift = rows.stop_gradient(rows.where(rows.is_finite(largest), largest, 0))
    return x - shift, shift


@operation
def row_count(x: Operand, /) -> Any:
    """Return the size of the first axis of x, which may be known only when the graph runs.

    Parameters
    ----------
    x : array
        Of at least one dimension.

    Returns
    -------
    int or array of int32
        The number of rows, a scalar.

    Raises
    ------
    ValueError
        If x has no axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.row_count(np.zeros((5, 2)))
    5
    """
    x = as_value(x)
    return extent(x.shape[normalize_axis(0, x.ndim)])
