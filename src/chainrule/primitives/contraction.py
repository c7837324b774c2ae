"""The matrix product: the one primitive in which nearly all of the arithmetic of a network is done."""

from __future__ import annotations

import numpy as np

from chainrule.graph.lowering import Contraction
from chainrule.graph.notation import PRODUCT, infix
from chainrule.graph.primitive import Primitive, primitive
from chainrule.graph.samples import cases
from chainrule.graph.types import ArrayType, is_float
from chainrule.graph.value import Value
from chainrule.primitives.shaping import permute_dims


def transpose(x: Value) -> Value:
    """Return x with its last two axes exchanged."""
    leading = tuple(range(x.ndim - 2))
    return permute_dims(x, axes=(*leading, x.ndim - 1, x.ndim - 2))


def _product_type(a: ArrayType, b: ArrayType) -> ArrayType:
    if len(a.shape) < 2 or len(a.shape) != len(b.shape) or a.dtype != b.dtype or not is_float(a.dtype):
        raise ValueError(f"it takes two float arrays of one dtype and rank, at least 2, not {a} and {b}")
    (*batch, rows, inner), (*other_batch, other_inner, columns) = a.shape, b.shape
    if batch != other_batch or inner != other_inner:
        raise ValueError(
            f"{a} and {b} do not fit: the last axis of the first must be the last but one of the second"
        )
    return ArrayType((*batch, rows, columns), a.dtype)


matmul: Primitive = primitive(
    "matmul",
    shape=_product_type,
    value=np.matmul,
    derivative=lambda dy, y, a, b: (matmul(dy, transpose(b)), matmul(transpose(a), dy)),
    lower=Contraction(),
    notation=infix("", PRODUCT),
    samples=cases(
        (((3, 4), (4, 5)), {}),
        (((1, 1), (1, 1)), {}),
        (((2, 3, 4), (2, 4, 5)), {}),
        (((17, 16), (16, 15)), {}),
    ),
)
