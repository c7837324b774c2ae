"""The matrix product on vectors, matrices and stacks of matrices."""

from __future__ import annotations

from typing import Any

from chainrule.functions.arguments import as_reals
from chainrule.functions.reductions import sum
from chainrule.graph.primitive import stretch
from chainrule.graph.trace import operation
from chainrule.graph.types import ROWS, broadcast_shapes, static_size, str_dim, str_shape
from chainrule.graph.value import OPERATORS, Operand, Value, as_value
from chainrule.primitives import contraction
from chainrule.primitives.elementwise import multiply
from chainrule.primitives.shaping import permute_dims, reshape


@operation
def matmul(x: Operand, y: Operand, /) -> Any:
    r"""Return the matrix product x @ y.

    .. math:: z_{ij} = \sum_k x_{ik} \, y_{kj}

    Parameters
    ----------
    x : array
        Of shape (..., n, k), or (k,): a row.
    y : array
        Of shape (..., k, m), or (k,): a column. Integers become floats.

    Returns
    -------
    array
        Of shape (..., n, m). The axes before the last two are broadcast; the axis of a row or column is
        dropped.

    Raises
    ------
    ValueError
        If an operand is a number, or the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    a, b = as_reals(x, y)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul takes arrays of at least one dimension; multiply by a number with *")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ValueError(
            f"matmul: {str_shape(a.shape)} @ {str_shape(b.shape)} do not fit: the last axis of the first has "
            f"{str_dim(a.shape[-1])} and the matching one of the second {str_dim(inner)}"
        )
    if a.ndim == 1:
        product = matmul(reshape(a, shape=(1, *a.shape)), b)
        return reshape(product, shape=(*product.shape[:-2], *product.shape[-1:]) if b.ndim > 1 else ())
    if b.ndim == 1:
        product = matmul(a, reshape(b, shape=(*b.shape, 1)))
        return reshape(product, shape=product.shape[:-1])
    if b.ndim == 2 and a.ndim > 2:
        return _product_with_one_matrix(a, b)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return contraction.matmul(stretch(a, (*batch, *a.shape[-2:])), stretch(b, (*batch, *b.shape[-2:])))


def _product_with_one_matrix(a: Value, b: Value) -> Value:
    """Multiply a stack of matrices by one matrix without repeating it for every row of a batch."""
    if ROWS not in a.shape[:-1]:
        flat = reshape(a, shape=(static_size(a.shape[:-1]), a.shape[-1]))
        return reshape(contraction.matmul(flat, b), shape=(*a.shape[:-1], b.shape[-1]))
    rows = a.shape.index(ROWS)
    order = (*(axis for axis in range(a.ndim - 1) if axis != rows), rows, a.ndim - 1)
    front = permute_dims(a, axes=order)
    product = contraction.matmul(front, stretch(b, (*front.shape[:-2], *b.shape)))
    return permute_dims(product, axes=tuple(order.index(axis) for axis in range(a.ndim)))


@operation
def vecdot(x: Operand, y: Operand, /) -> Any:
    """Return the dot product over the last axis: the sum of products.

    Parameters
    ----------
    x, y : array
        Numbers, with a last axis of one size; the axes before it are broadcast.

    Returns
    -------
    array
        Without the last axis.

    Raises
    ------
    ValueError
        If the last axes differ.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> cr.vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    a, b = as_value(x), as_value(y)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"vecdot: {str_shape(a.shape)} and {str_shape(b.shape)} have no common last axis")
    return sum(multiply(a, b), axis=-1)


OPERATORS["matmul"] = matmul
