"""Division with a remainder, as in Python: rounded down, so that the remainder has the divisor's sign.

x mod y is x - n · y with the whole number n = ⌊x / y⌋, by which both are said to be piecewise: where n jumps
there is no derivative, and elsewhere n has none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph.lowering import Expression
from chainrule.graph.notation import ATOM, Notation, function
from chainrule.graph.primitive import primitive
from chainrule.graph.samples import reals
from chainrule.graph.types import Array
from chainrule.primitives.elementwise import PIECEWISE_CONSTANT, numeric, pair, stop_gradient


def _quiet(divide: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """Return a division of NumPy's that says nothing of a divisor 0; its result for integers is 0."""

    def divided(x: Array, y: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return divide(x, y)

    return divided


def _safe(b: Any, y: Any) -> Any:
    """Return the divisor, but 1 for the integers by which CPUs stop: 0 and, for the least number, -1."""
    if b.dtype(y) != "int32":
        return y
    stops = b.logical_or(b.equal(y, b.constant(0, "int32")), b.equal(y, b.constant(-1, "int32")))
    return b.select(stops, b.constant(1, "int32"), y)


def _toward_zero(b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the remainder that has the dividend's sign, and whether the other one is another."""
    zero = b.constant(0, b.dtype(x))
    left = b.modulo(x, _safe(b, y))
    same_sign = b.equal(b.less(left, zero), b.less(y, zero))
    return left, b.logical_not(b.logical_or(b.equal(left, zero), same_sign))


def _remainder(b: Any, x: Any, y: Any) -> Any:
    zero = b.constant(0, b.dtype(x))
    left, other = _toward_zero(b, x, y)
    none = zero if b.dtype(x) == "int32" else b.select(b.less(y, zero), b.constant(-0.0, b.dtype(x)), zero)
    return b.select(b.equal(left, zero), none, b.select(other, b.add(left, y), left))


def _floor_divide(b: Any, x: Any, y: Any) -> Any:
    dtype = b.dtype(x)
    zero, one = b.constant(0, dtype), b.constant(1, dtype)
    left, other = _toward_zero(b, x, y)
    if dtype == "int32":
        whole = b.divide(x, _safe(b, y))
        found = b.select(other, b.subtract(whole, one), whole)
        found = b.select(b.equal(y, b.constant(-1, dtype)), b.negative(x), found)
        return b.select(b.equal(y, zero), zero, found)
    quotient, whole = b.divide(x, y), b.divide(b.subtract(x, left), y)
    whole = b.select(other, b.subtract(whole, one), whole)
    below = b.floor(whole)  # it is whole but for rounding
    near = b.select(b.less(b.constant(0.5, dtype), b.subtract(whole, below)), b.add(below, one), below)
    found = b.select(b.equal(whole, zero), b.multiply(quotient, zero), near)  # zero with the quotient's sign
    return b.select(b.equal(y, zero), quotient, found)


remainder = primitive(
    "remainder",
    shape=pair(numeric),
    value=_quiet(np.remainder),
    derivative=lambda dy, y, a, b: (dy, -dy * stop_gradient((a - y) / b)),
    lower=Expression(_remainder),
    notation=function(r"\operatorname{mod}", 2),
    samples=reals((0.55, 0.95), (-0.5, -0.32)),
    broadcasts=True,
)

floor_divide = primitive(
    "floor_divide",
    shape=pair(numeric),
    value=_quiet(np.floor_divide),
    derivative=None,
    why_not=PIECEWISE_CONSTANT,
    lower=Expression(_floor_divide),
    notation=Notation(r"\left\lfloor \frac{<0>}{<1>} \right\rfloor", ATOM),
    samples=reals((0.55, 0.95), (-0.5, -0.32)),
    broadcasts=True,
)
