"""The matrix product on vectors, matrices and stacks of matrices."""

from __future__ import annotations

from typing import Any

from chainrule.graph.primitive import stretch
from chainrule.graph.trace import array_function
from chainrule.graph.types import ROWS, broadcast_shapes, static_size, str_shape
from chainrule.graph.value import OPERATORS, Operand, Value, as_value, promote
from chainrule.primitives import contraction
from chainrule.primitives.elementwise import multiply
from chainrule.primitives.reductions import sum_
from chainrule.primitives.shaping import permute_dims, reshape


@array_function
def matmul(x: Operand, y: Operand, /) -> Any:
    """Return the matrix product x @ y.

    The last axis of x is summed with the last but one of y; axes before these are broadcast. A vector x is a
    row, a vector y a column, and its axis is dropped from the result.
    """
    a, b = promote((as_value(x), as_value(y)))
    if not a.ndim or not b.ndim:
        raise ValueError("matmul takes arrays of at least one dimension; multiply by a number with *")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ValueError(
            f"matmul: {str_shape(a.shape)} @ {str_shape(b.shape)} do not fit: "
            f"the last axis of the first has {a.shape[-1]} and the matching one of the second {inner}"
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
    if ROWS not in a.shape:
        flat = reshape(a, shape=(static_size(a.shape[:-1]), a.shape[-1]))
        return reshape(contraction.matmul(flat, b), shape=(*a.shape[:-1], b.shape[-1]))
    rows = a.shape.index(ROWS)
    order = (*(axis for axis in range(a.ndim - 1) if axis != rows), rows, a.ndim - 1)
    front = permute_dims(a, axes=order)
    product = contraction.matmul(front, stretch(b, (*front.shape[:-2], *b.shape)))
    return permute_dims(product, axes=tuple(order.index(axis) for axis in range(a.ndim)))


@array_function
def vecdot(x: Operand, y: Operand, /) -> Any:
    """Return the sum of products over the last axis."""
    product = multiply(x, y)
    return sum_(product, axes=(product.ndim - 1,))


OPERATORS["matmul"] = matmul
