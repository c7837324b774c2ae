"""Element-wise functions under the names of the Python array API."""

from __future__ import annotations

import math
from typing import Any

from chainrule.graph.trace import array_function
from chainrule.graph.types import FLOAT64, as_dtype, is_float
from chainrule.graph.value import Operand, Value, as_value, cast_value
from chainrule.primitives import elementwise as rows


def _real(x: Operand) -> Value:
    """Return x as floats: integers and bools are converted, and yield to the dtype of the floats they meet."""
    value = as_value(x)
    return value if is_float(value.dtype) else cast_value(value, FLOAT64, weak=True)


@array_function
def exp(x: Operand, /) -> Any:
    """Return e to the power x."""
    return rows.exp(_real(x))


@array_function
def expm1(x: Operand, /) -> Any:
    """Return e to the power x, minus one, exact for small x."""
    return rows.expm1(_real(x))


@array_function
def log(x: Operand, /) -> Any:
    """Return the natural logarithm of x."""
    return rows.log(_real(x))


@array_function
def log1p(x: Operand, /) -> Any:
    """Return the natural logarithm of 1 + x, exact for small x."""
    return rows.log1p(_real(x))


@array_function
def sqrt(x: Operand, /) -> Any:
    """Return the square root of x."""
    return rows.sqrt(_real(x))


@array_function
def sin(x: Operand, /) -> Any:
    """Return the sine of x, in radians."""
    return rows.sin(_real(x))


@array_function
def cos(x: Operand, /) -> Any:
    """Return the cosine of x, in radians."""
    return rows.cos(_real(x))


@array_function
def tanh(x: Operand, /) -> Any:
    """Return the hyperbolic tangent of x."""
    return rows.tanh(_real(x))


@array_function
def erf(x: Operand, /) -> Any:
    """Return the error function of x."""
    return rows.erf(_real(x))


@array_function
def floor(x: Operand, /) -> Any:
    """Return the largest integer that is not above x."""
    return rows.floor(_real(x))


@array_function
def abs(x: Operand, /) -> Any:
    """Return the absolute value |x|."""
    return rows.absolute(x)


@array_function
def sign(x: Operand, /) -> Any:
    """Return -1, 0 or 1 by the sign of x; NaN stays NaN."""
    return rows.sign(x)


@array_function
def negative(x: Operand, /) -> Any:
    """Return -x."""
    return rows.negative(x)


@array_function
def add(x: Operand, y: Operand, /) -> Any:
    """Return x + y."""
    return rows.add(x, y)


@array_function
def subtract(x: Operand, y: Operand, /) -> Any:
    """Return x - y."""
    return rows.subtract(x, y)


@array_function
def multiply(x: Operand, y: Operand, /) -> Any:
    """Return x · y."""
    return rows.multiply(x, y)


@array_function
def maximum(x: Operand, y: Operand, /) -> Any:
    """Return the larger of x and y."""
    return rows.maximum(x, y)


@array_function
def minimum(x: Operand, y: Operand, /) -> Any:
    """Return the smaller of x and y."""
    return rows.minimum(x, y)


@array_function
def equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x = y."""
    return rows.equal(x, y)


@array_function
def not_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≠ y."""
    return rows.not_equal(x, y)


@array_function
def less(x: Operand, y: Operand, /) -> Any:
    """Return whether x < y."""
    return rows.less(x, y)


@array_function
def less_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≤ y."""
    return rows.less_equal(x, y)


@array_function
def greater(x: Operand, y: Operand, /) -> Any:
    """Return whether x > y."""
    return rows.greater(x, y)


@array_function
def greater_equal(x: Operand, y: Operand, /) -> Any:
    """Return whether x ≥ y."""
    return rows.greater_equal(x, y)


@array_function
def logical_and(x: Operand, y: Operand, /) -> Any:
    """Return whether x and y are both true."""
    return rows.logical_and(x, y)


@array_function
def logical_or(x: Operand, y: Operand, /) -> Any:
    """Return whether x or y is true."""
    return rows.logical_or(x, y)


@array_function
def divide(x: Operand, y: Operand, /) -> Any:
    """Return x / y."""
    return rows.divide(_real(x), _real(y))


@array_function
def pow(x: Operand, y: Operand, /) -> Any:
    """Return x to the power y."""
    return as_value(x) ** y if isinstance(y, int) else rows.power(_real(x), _real(y))


@array_function
def logical_not(x: Operand, /) -> Any:
    """Return whether x is false."""
    return rows.logical_not(x)


@array_function
def square(x: Operand, /) -> Any:
    """Return x · x."""
    return rows.multiply(x, x)


@array_function
def reciprocal(x: Operand, /) -> Any:
    """Return 1 / x."""
    return 1 / _real(x)


@array_function
def log2(x: Operand, /) -> Any:
    """Return the logarithm of x to base 2."""
    return rows.log(_real(x)) * (1 / math.log(2))


@array_function
def log10(x: Operand, /) -> Any:
    """Return the logarithm of x to base 10."""
    return rows.log(_real(x)) * (1 / math.log(10))


@array_function
def tan(x: Operand, /) -> Any:
    """Return the tangent of x, in radians."""
    return rows.sin(_real(x)) / rows.cos(_real(x))


@array_function
def sinh(x: Operand, /) -> Any:
    """Return the hyperbolic sine of x."""
    growth = rows.expm1(_real(x))
    return (growth + growth / (growth + 1)) / 2


@array_function
def cosh(x: Operand, /) -> Any:
    """Return the hyperbolic cosine of x."""
    x = _real(x)
    return (rows.exp(x) + rows.exp(-x)) / 2


@array_function
def ceil(x: Operand, /) -> Any:
    """Return the smallest integer that is not below x."""
    return -rows.floor(-_real(x))


@array_function
def logaddexp(x: Operand, y: Operand, /) -> Any:
    """Return ln(exp x + exp y) without overflow."""
    x, y = _real(x), _real(y)
    return rows.maximum(x, y) + rows.log1p(rows.exp(-rows.absolute(x - y)))


@array_function
def clip(x: Operand, /, min: Operand = None, max: Operand = None) -> Any:
    """Return x limited to [min, max]; None is no limit."""
    if min is not None:
        x = rows.maximum(x, min)
    if max is not None:
        x = rows.minimum(x, max)
    return as_value(x)


@array_function
def isfinite(x: Operand, /) -> Any:
    """Return whether x is neither infinite nor NaN."""
    return rows.is_finite(_real(x))


@array_function
def isnan(x: Operand, /) -> Any:
    """Return whether x is NaN."""
    return rows.not_equal(x, x)


@array_function
def isinf(x: Operand, /) -> Any:
    """Return whether x is infinite."""
    return rows.equal(rows.absolute(x), math.inf)


@array_function
def where(condition: Operand, x: Operand, y: Operand, /) -> Any:
    """Return x where the condition holds, otherwise y."""
    return rows.where(condition, x, y)


@array_function
def astype(x: Operand, dtype: object, /) -> Any:
    """Return x converted to another dtype; floats go to integers toward zero."""
    return rows.cast(x, dtype=as_dtype(dtype).name)


@array_function
def stop_gradient(x: Operand, /) -> Any:
    """Return x, through which no derivative flows."""
    return rows.stop_gradient(x)
