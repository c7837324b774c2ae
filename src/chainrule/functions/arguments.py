"""What functions make of their arguments: integers become floats, a number becomes a shape."""

from __future__ import annotations

from chainrule.graph.types import FLOAT64, DType, Shape, as_dtype, is_float
from chainrule.graph.value import Operand, Value, as_value, cast_value, promote


def as_real(x: Operand) -> Value:
    """Return x as floats; what was an integer or bool yields to the dtype of the floats that it meets."""
    value = as_value(x)
    return value if is_float(value.dtype) else cast_value(value, FLOAT64, weak=True)


def as_reals(x: Operand, y: Operand) -> tuple[Value, Value]:
    """Return x and y as floats of one dtype."""
    a, b = promote((as_value(x), as_value(y)))
    return as_real(a), as_real(b)


def as_shape(shape: Shape | int) -> Shape:
    """Return a shape as a tuple; a single dimension stands for the shape of a vector."""
    return tuple(shape) if isinstance(shape, list | tuple) else (shape,)


def as_float_dtype(dtype: object) -> DType:
    """Return float32 or float64 by name, or say that it must be one of these."""
    chosen = as_dtype(dtype)
    if not is_float(chosen):
        raise ValueError(f"dtype is float32 or float64 here, not {chosen.name}")
    return chosen
