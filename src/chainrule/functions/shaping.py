"""Arrays stretched, reshaped and joined, under the names of the Python array API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.functions.arguments import as_shape
from chainrule.graph.primitive import stretch
from chainrule.graph.trace import operation
from chainrule.graph.types import (
    ROWS,
    Dim,
    Shape,
    broadcast_shapes,
    normalize_axes,
    normalize_axis,
    static_size,
    str_shape,
)
from chainrule.graph.value import Operand, Value, as_value, promote
from chainrule.primitives import shaping
from chainrule.primitives.contraction import transpose


@operation
def broadcast_to(x: Operand, shape: Shape | int, /) -> Any:
    """Return x repeated to a shape.

    Parameters
    ----------
    x : array
        Of any dtype.
    shape : tuple of int, or int
        Of the result. The axes of x are its last ones; those of size 1 are repeated.

    Returns
    -------
    array
        Of this shape and the dtype of x.

    Raises
    ------
    ValueError
        If x does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    x, shape = as_value(x), as_shape(shape)
    if broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"{x.type} cannot be broadcast to the shape {str_shape(shape)}")
    return stretch(x, shape)


@operation
def reshape(x: Operand, /, shape: Shape | int) -> Any:
    """Return the elements of x, in row-major order, in another shape.

    Parameters
    ----------
    x : array
        Of any dtype.
    shape : tuple of int, or int
        Of the result. One dimension may be -1: what the others leave; the rows, where only they are left.

    Returns
    -------
    array
        Of this shape and the dtype of x.

    Raises
    ------
    ValueError
        If the shape has another number of elements, or the rows would not stay apart.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.reshape(np.array([1.0, 2.0, 3.0, 4.0]), (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    x, shape = as_value(x), as_shape(shape)
    if -1 in shape:
        missing = _missing_dimension(x, shape)
        shape = tuple(missing if dim == -1 else dim for dim in shape)
    return shaping.reshape(x, shape=shape)


def _missing_dimension(x: Value, shape: Shape) -> Dim:
    """Return the dimension for which -1 stands in a new shape of x."""
    elements = static_size(tuple(dim for dim in x.shape if dim is not ROWS))
    others = static_size(tuple(dim for dim in shape if dim is not ROWS and dim != -1))
    if shape.count(-1) > 1 or not others or elements % others:
        raise ValueError(
            f"no one dimension in place of -1 makes {str_shape(shape)} hold the elements of {x.type}"
        )
    if x.shape.count(ROWS) > shape.count(ROWS) and elements == others:
        return ROWS
    return elements // others


@operation
def expand_dims(x: Operand, /, *, axis: int = 0) -> Any:
    """Return x with a new axis of size 1.

    Parameters
    ----------
    x : array
        Of any dtype.
    axis : int, default 0
        Where the new axis stands in the result.

    Returns
    -------
    array
        With one dimension more.

    Raises
    ------
    ValueError
        If the result has no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.expand_dims(np.array([1.0, 2.0]), axis=-1)
    array([[1.],
           [2.]])
    """
    x = as_value(x)
    axis = normalize_axis(axis, x.ndim + 1)
    return shaping.reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))


@operation
def squeeze(x: Operand, /, axis: int | tuple[int, ...]) -> Any:
    """Return x without axes of size 1.

    Parameters
    ----------
    x : array
        Of any dtype.
    axis : int or tuple of int
        Which to drop.

    Returns
    -------
    array
        Without these axes.

    Raises
    ------
    ValueError
        If x has no such axis, or its size is not 1.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.squeeze(np.array([[1.0], [2.0]]), axis=-1)
    array([1., 2.])
    """
    x = as_value(x)
    axes = normalize_axes(axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(f"only axes of size 1 can be dropped, not {axis} of {x.type}")
    return shaping.reshape(x, shape=tuple(dim for i, dim in enumerate(x.shape) if i not in axes))


@operation
def permute_dims(x: Operand, /, axes: Sequence[int]) -> Any:
    """Return x with its axes in another order.

    Parameters
    ----------
    x : array
        Of any dtype.
    axes : sequence of int
        For each axis of the result, which axis of x it is.

    Returns
    -------
    array
        Of the dtype of x.

    Raises
    ------
    ValueError
        If `axes` does not name each axis once.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.permute_dims(np.array([[1.0, 2.0, 3.0]]), (1, 0))
    array([[1.],
           [2.],
           [3.]])
    """
    x = as_value(x)
    return shaping.permute_dims(x, axes=tuple(normalize_axis(i, x.ndim) for i in axes))


@operation
def matrix_transpose(x: Operand, /) -> Any:
    """Return x with its last two axes exchanged.

    Parameters
    ----------
    x : array
        A matrix, or a stack of matrices.

    Returns
    -------
    array
        Of the dtype of x.

    Raises
    ------
    ValueError
        If x has fewer than two dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.matrix_transpose(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """
    x = as_value(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose takes arrays of at least two dimensions, not {x.type}")
    return transpose(x)


@operation
def concat(arrays: Sequence[Operand], /, *, axis: int = 0) -> Any:
    """Return arrays joined along an axis.

    Parameters
    ----------
    arrays : sequence of array
        At least one; of equal shapes, except along the axis.
    axis : int, default 0
        Along which to join; not the rows.

    Returns
    -------
    array
        Of the widest dtype.

    Raises
    ------
    ValueError
        If there is no array, or the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.concat([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    if not len(arrays):
        raise ValueError("concat and stack need at least one array")
    values = promote(tuple(as_value(x) for x in arrays))
    return shaping.concat(*values, axis=normalize_axis(axis, values[0].ndim))


@operation
def stack(arrays: Sequence[Operand], /, *, axis: int = 0) -> Any:
    """Return arrays joined along a new axis.

    Parameters
    ----------
    arrays : sequence of array
        At least one; of equal shapes.
    axis : int, default 0
        Where the new axis stands in the result.

    Returns
    -------
    array
        Of the widest dtype, with one dimension more.

    Raises
    ------
    ValueError
        If there is no array, or the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return concat([expand_dims(as_value(x), axis=axis) for x in arrays], axis=axis)
