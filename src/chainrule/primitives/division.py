"""Division with a remainder, as in Python: rounded down, so that the remainder has the divisor's sign.

x mod y is x - n · y with the whole number n = ⌊x / y⌋. Where n jumps, neither has a derivative; between the
jumps n is constant.
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
    """Return one of NumPy's divisions without its warning for a divisor 0, which gives 0 for integers."""

    def divided(x: Array, y: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return divide(x, y)

    return divided


def _safe(b: Any, y: Any) -> Any:
    """Return the divisor, but 1 in place of the integers that trap in a CPU: 0, and -1 (for the least x)."""
    if b.dtype(y) != "int32":
        return y
    stops = b.logical_or(b.equal(y, b.constant(0, "int32")), b.equal(y, b.constant(-1, "int32")))
    return b.select(stops, b.constant(1, "int32"), y)


def _truncated(b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the remainder of a division rounded to zero, which has the sign of x, and whether it lacks y.

    The remainder of the division rounded down has the sign of y: where the signs differ, it is y more.
    """
    zero = b.constant(0, b.dtype(x))
    left = b.modulo(x, _safe(b, y))
    same_sign = b.equal(b.less(left, zero), b.less(y, zero))
    return left, b.logical_not(b.logical_or(b.equal(left, zero), same_sign))


def _remainder(b: Any, x: Any, y: Any) -> Any:
    zero = b.constant(0, b.dtype(x))
    left, lacks_y = _truncated(b, x, y)
    none = zero if b.dtype(x) == "int32" else b.select(b.less(y, zero), b.constant(-0.0, b.dtype(x)), zero)
    return b.select(b.equal(left, zero), none, b.select(lacks_y, b.add(left, y), left))


def _floor_divide(b: Any, x: Any, y: Any) -> Any:
    return _floor_divide_integers(b, x, y) if b.dtype(x) == "int32" else _floor_divide_floats(b, x, y)


def _floor_divide_integers(b: Any, x: Any, y: Any) -> Any:
    zero, one, minus_one = (b.constant(number, "int32") for number in (0, 1, -1))
    _, lacks_y = _truncated(b, x, y)
    truncated = b.divide(x, _safe(b, y))
    quotient = b.select(lacks_y, b.subtract(truncated, one), truncated)
    quotient = b.select(b.equal(y, minus_one), b.negative(x), quotient)
    return b.select(b.equal(y, zero), zero, quotient)


def _floor_divide_floats(b: Any, x: Any, y: Any) -> Any:
    zero, half, one = (b.constant(number, b.dtype(x)) for number in (0, 0.5, 1))
    left, lacks_y = _truncated(b, x, y)
    exact, whole = b.divide(x, y), b.divide(b.subtract(x, left), y)
    whole = b.select(lacks_y, b.subtract(whole, one), whole)
    below = b.floor(whole)  # it is whole but for rounding
    nearest = b.select(b.less(half, b.subtract(whole, below)), b.add(below, one), below)
    is_zero = b.equal(whole, zero)
    signed_zero = b.multiply(exact, zero)
    quotient = b.select(is_zero, signed_zero, nearest)
    return b.select(b.equal(y, zero), exact, quotient)


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
