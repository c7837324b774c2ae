"""Arrays made from numbers: constants, counts, one-hot rows.

A shape is a tuple of ints, in which one may be `rows` while a graph is traced. The default dtype is float32,
which yields to the float64 of an array that it meets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.functions.arguments import as_shape
from chainrule.functions.shaping import expand_dims
from chainrule.graph.primitive import stretch
from chainrule.graph.trace import array_function, operation
from chainrule.graph.types import Dim, Shape, as_dtype, is_float
from chainrule.graph.value import Operand, as_value, constant
from chainrule.primitives import elementwise as rows
from chainrule.primitives import shaping


@array_function
def full(shape: Shape | int, fill_value: float, *, dtype: object = "float32") -> Any:
    """Return an array of one number.

    Parameters
    ----------
    shape : tuple of int, or int
        Of the result.
    fill_value : float
        The number.
    dtype : str or dtype, default "float32"
        Of the result.

    Returns
    -------
    array
        Of this shape and dtype.

    Raises
    ------
    ValueError
        If a dimension is negative, there is no such dtype, or it does not hold the number.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.full((2, 2), 7, dtype="float64")
    array([[7., 7.],
           [7., 7.]])
    """
    kind, number = as_dtype(dtype), float(fill_value)
    if kind.kind in "iu" and not np.iinfo(kind).min <= number <= np.iinfo(kind).max:
        raise ValueError(f"full: {kind} does not hold {fill_value!r}; give another number or dtype")
    return stretch(constant(number if is_float(kind) else int(number), kind), as_shape(shape))


@array_function
def zeros(shape: Shape | int, *, dtype: object = "float32") -> Any:
    """Return an array of zeros.

    Parameters
    ----------
    shape : tuple of int, or int
        Of the result.
    dtype : str or dtype, default "float32"
        Of the result.

    Returns
    -------
    array
        Of this shape and dtype.

    Raises
    ------
    ValueError
        If a dimension is negative, or there is no such dtype.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.zeros(3)
    array([0., 0., 0.], dtype=float32)
    """
    return full(shape, 0, dtype=dtype)


@array_function
def ones(shape: Shape | int, *, dtype: object = "float32") -> Any:
    """Return an array of ones.

    Parameters
    ----------
    shape : tuple of int, or int
        Of the result.
    dtype : str or dtype, default "float32"
        Of the result.

    Returns
    -------
    array
        Of this shape and dtype.

    Raises
    ------
    ValueError
        If a dimension is negative, or there is no such dtype.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.ones(3)
    array([1., 1., 1.], dtype=float32)
    """
    return full(shape, 1, dtype=dtype)


@operation
def zeros_like(x: Operand, /) -> Any:
    """Return zeros of the shape and dtype of x.

    Parameters
    ----------
    x : array
        Of any dtype.

    Returns
    -------
    array
        Of the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.zeros_like(np.array([1.5, 2.5]))
    array([0., 0.])
    """
    x = as_value(x)
    return full(x.shape, 0, dtype=x.dtype)


@operation
def ones_like(x: Operand, /) -> Any:
    """Return ones of the shape and dtype of x.

    Parameters
    ----------
    x : array
        Of any dtype.

    Returns
    -------
    array
        Of the shape and dtype of x.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.ones_like(np.array([1.5, 2.5]))
    array([1., 1.])
    """
    x = as_value(x)
    return full(x.shape, 1, dtype=x.dtype)


@array_function
def arange(stop: Dim, /) -> Any:
    """Return the integers 0, 1, ..., stop - 1.

    Parameters
    ----------
    stop : int
        How many; `rows` while a graph is traced.

    Returns
    -------
    array of int32
        Of shape (stop,).

    Raises
    ------
    ValueError
        If `stop` is negative.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.arange(4)
    array([0, 1, 2, 3], dtype=int32)
    """
    return shaping.iota(size=stop)


@array_function
def one_hot(indices: Operand, size: int, *, dtype: object = "float32") -> Any:
    """Return for each integer i a row of `size` elements: 1 at position i, 0 elsewhere.

    Parameters
    ----------
    indices : array of int
        Positions from 0 to size - 1; any other gets a row of zeros.
    size : int
        The length of a row.
    dtype : str or dtype, default "float32"
        Of the result.

    Returns
    -------
    array
        Of shape (*indices.shape, size).

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    positions = expand_dims(as_value(indices), axis=-1)
    return rows.cast(positions == shaping.iota(size=size), dtype=as_dtype(dtype).name)
