"""Functions of a mathematics library as vector code: polynomials on a reduced range, without branches.

The one exception is sine, cosine and tangent, which loop if a lane is huge.

Each takes a builder and an element, float32 or float64, scalar or vector, and returns within 2 units in the
last place (`power`: 4). Products that must be exact are so because their factors are short, not because a
CPU fuses them; where it does, results may differ in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.compiler.trigonometry import cos, sin, tan
from chainrule.compiler.vectormath_parts import (
    Element,
    at_least,
    at_most,
    format_of,
    nearest,
    number,
    polynomial,
    split,
    times_two_to,
    two_to,
)
from chainrule.compiler.vectormath_power import power
from chainrule.compiler.vectormath_tables import (
    BASE_2,
    BASE_10,
    COSH,
    ERF,
    EXP,
    LN2,
    LOG,
    LOG_ERFC,
    SINH,
    TANH,
)

LOG2_E: Final = 1 / math.log(2)

#: Where e^x is 0 and infinity.
EXP_RANGE: Final = {"float32": (-104.0, 89.0), "float64": (-746.0, 710.0)}
#: Where sinh x and cosh x are infinity, and halves of them are not.
SINH_END: Final = {"float32": 89.6, "float64": 710.75}
#: Where e^-x is lost beside 1.
LOST: Final = {"float32": 20.0, "float64": 40.0}
#: Where x²/2 is lost beside x.
TINY: Final = {"float32": 2.0**-25, "float64": 2.0**-54}
#: Where tanh x is 1/2.
TANH_HALF: Final = 0.5493
#: Where erf(x) is 1.
ERF_ONE: Final = {"float32": 4.0, "float64": 6.0}


# Exponentials ------------------------------------------------------------------------------------


def exp(b: Any, x: Element) -> Element:
    """Return e^x."""
    return _exp(b, at_most(b, x, EXP_RANGE[b.dtype(x)][1]))


def _exp(b: Any, x: Element) -> Element:
    """Return e^x = 2^n e^r for x that is not above `EXP_RANGE`."""
    x = at_least(b, x, EXP_RANGE[b.dtype(x)][0])
    r, shifted = _reduced(b, x, 2 * format_of(b, x).bias)
    return times_two_to(b, _exp_of_rest(b, r), shifted)


def _reduced(b: Any, x: Element, plus: int) -> tuple[Element, Element]:
    """Return r of x = n ln 2 + r with |r| ≤ ln 2 / 2, and n as the second of `nearest`."""
    high, low = LN2[b.dtype(x)]
    n, shifted = nearest(b, x, LOG2_E, plus)
    return b.fma(n, number(b, -low, x), b.fma(n, number(b, -high, x), x)), shifted


def _exp_of_rest(b: Any, r: Element) -> Element:
    """Return e^r = 1 + r (1 + r q(r)) for |r| ≤ ln 2 / 2."""
    return polynomial(b, r, (1.0, 1.0, *EXP[b.dtype(r)]))


def expm1(b: Any, x: Element) -> Element:
    """Return e^x - 1; x itself where the rest is lost, -0 too."""
    dtype = b.dtype(x)
    inside = at_most(b, at_least(b, x, -LOST[dtype]), EXP_RANGE[dtype][1])
    half = _half_expm1(b, inside)
    return b.select(b.less(b.abs(x), number(b, TINY[dtype], x)), x, b.add(half, half))


def _half_expm1(b: Any, x: Element) -> Element:
    """Return (e^x - 1) / 2 = h (r + r² q(r)) + (h - 1/2) with h = 2^n / 2: 2^n alone may overflow."""
    r, shifted = _reduced(b, x, format_of(b, x).bias - 1)
    h = two_to(b, shifted)
    first = b.fma(h, r, b.subtract(h, number(b, 0.5, x)))
    return b.fma(b.multiply(b.multiply(r, r), h), polynomial(b, r, EXP[b.dtype(x)]), first)


def sinh(b: Any, x: Element) -> Element:
    """Return (e^|x| - e^-|x|) / 2 with the sign of x; x itself where the rest is lost."""
    a = b.abs(x)
    r, growth, decay = _quarters(b, a)
    half = _half_hyperbolic(b, r, growth, b.negative(decay))
    y = b.select(b.less(a, number(b, TINY[b.dtype(x)], x)), a, b.add(half, half))
    return b.copysign(y, x)


def cosh(b: Any, x: Element) -> Element:
    """Return (e^|x| + e^-|x|) / 2."""
    half = _half_hyperbolic(b, *_quarters(b, b.abs(x)))
    return b.add(half, half)


def _quarters(b: Any, a: Element) -> tuple[Element, Element, Element]:
    """Return r of a = n ln 2 + r, and 2^n / 4 and 2^-n / 4; 2^n / 2 may overflow before sinh a does."""
    form = format_of(b, a)
    r, shifted = _reduced(b, at_most(b, a, SINH_END[b.dtype(a)]), form.bias - 2)
    growth = two_to(b, shifted)
    product = b.constant((2 * form.bias - 4) << form.mantissa, form.integer)
    decay = at_least(b, b.from_bits(b.subtract(product, b.bits(growth))), 0)  # its exponent may be too low
    return r, growth, decay


def _half_hyperbolic(b: Any, r: Element, growth: Element, decay: Element) -> Element:
    """Return growth e^r + decay e^-r = even cosh r + odd sinh r, where even and odd are sum and difference.

    This is (even + odd r) + r² (even P(r²) + odd r Q(r²)), and what rounding lost of even.
    """
    even, odd = b.add(growth, decay), b.subtract(growth, decay)
    lost = b.subtract(decay, b.subtract(even, growth))
    z = b.multiply(r, r)
    of_sinh = b.multiply(b.multiply(odd, r), polynomial(b, z, SINH[b.dtype(r)]))
    rest = b.fma(z, b.fma(even, polynomial(b, z, COSH[b.dtype(r)]), of_sinh), lost)
    return b.add(b.fma(odd, r, even), rest)


def tanh(b: Any, x: Element) -> Element:
    """Return a + a³ P(a²) with a = |x| up to where it is 1/2, beyond it 1 - 2 / (e^2a + 1); the sign of x."""
    dtype, one = b.dtype(x), number(b, 1, x)
    a = b.abs(x)
    z = b.multiply(x, x)
    near = b.fma(b.multiply(a, z), polynomial(b, z, TANH[dtype]), a)
    r, shifted = _reduced(b, at_most(b, b.add(a, a), LOST[dtype]), format_of(b, x).bias)
    whole = b.fma(_exp_of_rest(b, r), two_to(b, shifted), one)
    far = b.subtract(one, b.divide(number(b, 2, x), whole))
    return b.copysign(b.select(b.less(a, number(b, TANH_HALF, x)), near, far), x)


def logistic(b: Any, x: Element) -> Element:
    """Return 1 / (1 + e^-x), which is v / (1 + u) with u = e^-|x| and v = u for x < 0, otherwise 1.

    As y = v - u y this is repeated once: what the division and its operands lost is multiplied by u.
    """
    one = number(b, 1, x)
    u = _exp(b, b.negative(b.abs(x)))
    v = b.select(b.less(x, number(b, 0, x)), u, one)
    return b.fma(b.negative(u), b.divide(v, b.add(one, u)), v)


# Logarithms --------------------------------------------------------------------------------------


def log(b: Any, x: Element) -> Element:
    """Return ln x = e ln 2 + ln m for x = m 2^e; -∞ at 0, NaN below."""
    return _at_the_ends(b, x, _log(b, *_exponent_and_fraction(b, x)))


def log2(b: Any, x: Element) -> Element:
    """Return the logarithm to base 2; -∞ at 0, NaN below."""
    return _at_the_ends(b, x, _log_to_base(b, *_exponent_and_fraction(b, x), BASE_2[b.dtype(x)]))


def log10(b: Any, x: Element) -> Element:
    """Return the logarithm to base 10; -∞ at 0, NaN below."""
    return _at_the_ends(b, x, _log_to_base(b, *_exponent_and_fraction(b, x), BASE_10[b.dtype(x)]))


def _exponent_and_fraction(b: Any, x: Element) -> tuple[Element, Element]:
    """Return e and f of x = (1 + f) 2^e, of denormal numbers too."""
    form = format_of(b, x)
    denormal = b.less(x, number(b, form.smallest, x))
    scaled = b.select(denormal, b.multiply(x, number(b, 2.0**form.mantissa, x)), x)
    e, m, _ = split(b, scaled)
    e = b.select(denormal, b.subtract(e, number(b, form.mantissa, x)), e)
    return e, b.subtract(m, number(b, 1, x))


def log1p(b: Any, x: Element) -> Element:
    """Return ln(1 + x): that of u = 1 + x with what its rounding lost added to its fraction."""
    one = number(b, 1, x)
    u = b.add(one, x)
    lost = b.subtract(x, b.subtract(u, one))
    e, m, inverse = split(b, u)
    y = _log(b, e, b.fma(lost, at_least(b, inverse, 0), b.subtract(m, one)))  # of e = 128 it is -∞
    return b.copysign(_at_the_ends(b, u, y), x)


def _log(b: Any, e: Element, f: Element) -> Element:
    """Return e ln 2 + ln(1 + f)."""
    high, low = (number(b, part, f) for part in LN2[b.dtype(f)])
    square, second = _log_without_first(b, f)
    rest = b.fma(square, second, b.multiply(e, low))
    return b.fma(e, high, b.add(f, rest))


def _log_to_base(b: Any, e: Element, f: Element, base: Sequence[float]) -> Element:
    """Return e log 2 + ln(1 + f) / ln base, where log is to this base."""
    high, low, factor, factor_low = (number(b, part, f) for part in base)
    square, second = _log_without_first(b, f)
    rest = b.fma(f, factor_low, b.multiply(e, low))
    rest = b.fma(b.multiply(square, second), factor, rest)
    return b.fma(e, high, b.fma(f, factor, rest))


def _log_without_first(b: Any, f: Element) -> tuple[Element, Element]:
    """Return the factors of ln(1 + f) - f = f² (-1/2 + f P(f))."""
    return b.multiply(f, f), polynomial(b, f, (-0.5, *LOG[b.dtype(f)]))


def _at_the_ends(b: Any, x: Element, y: Element) -> Element:
    """Return y = ln x, right also where x is not a positive number."""
    zero, infinity = number(b, 0, x), number(b, math.inf, x)
    y = b.select(b.less(x, infinity), y, x)
    other = b.select(b.equal(x, zero), number(b, -math.inf, x), number(b, math.nan, x))
    return b.select(b.less(zero, x), y, other)


# The error function ------------------------------------------------------------------------------


def erf(b: Any, x: Element) -> Element:
    """Return erf x = x + x P(x²) up to 1, beyond it 1 - e^p(|x|)."""
    dtype, one = b.dtype(x), number(b, 1, x)
    near = b.fma(x, polynomial(b, b.multiply(x, x), ERF[dtype]), x)
    a = b.abs(x)
    s = b.subtract(at_most(b, a, ERF_ONE[dtype]), one)
    r, shifted = _reduced(b, polynomial(b, s, LOG_ERFC[dtype]), format_of(b, x).bias)
    far = b.fma(b.negative(_exp_of_rest(b, r)), two_to(b, shifted), one)
    return b.select(b.less(a, one), near, b.copysign(far, x))


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "power": power,
    "erf": erf,
    "logistic": logistic,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
}
