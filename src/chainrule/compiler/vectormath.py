"""Functions of a mathematics library as vector code: polynomials on a reduced range, without branches.

The one exception is sine, cosine and tangent, which loop if a lane is huge.

Each takes numbers, float32 or float64, scalars or vectors, and returns within 2 units in the last place
(`power`: 4). Products that must be exact are so because their factors are short, not because a
CPU fuses them; where it does, results may differ in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.compiler.trigonometry import cos, sin, tan
from chainrule.compiler.vectormath_parts import (
    Element,
    Number,
    at_least,
    at_most,
    fast_two_sum,
    fma,
    nearest,
    polynomial,
    split,
    times_two_to,
    two_to,
    where,
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


def exp(x: Number) -> Number:
    """Return e^x."""
    return _exp(at_most(x, EXP_RANGE[x.dtype][1]))


def _exp(x: Number) -> Number:
    """Return e^x = 2^n e^r for x that is not above `EXP_RANGE`."""
    x = at_least(x, EXP_RANGE[x.dtype][0])
    r, shifted = _reduced(x, 2 * x.format.bias)
    return times_two_to(_exp_of_rest(r), shifted)


def _reduced(x: Number, plus: int) -> tuple[Number, Number]:
    """Return r of x = n ln 2 + r with |r| ≤ ln 2 / 2, and n as the second of `nearest`."""
    high, low = LN2[x.dtype]
    n, shifted = nearest(x, LOG2_E, plus)
    return fma(n, -low, fma(n, -high, x)), shifted


def _exp_of_rest(r: Number) -> Number:
    """Return e^r = 1 + r (1 + r q(r)) for |r| ≤ ln 2 / 2."""
    return polynomial(r, (1.0, 1.0, *EXP[r.dtype]))


def expm1(x: Number) -> Number:
    """Return e^x - 1; x itself where the rest is lost, -0 too."""
    inside = at_most(at_least(x, -LOST[x.dtype]), EXP_RANGE[x.dtype][1])
    half = _half_expm1(inside)
    return where(abs(x) < TINY[x.dtype], x, half + half)


def _half_expm1(x: Number) -> Number:
    """Return (e^x - 1) / 2 = h (r + r² q(r)) + (h - 1/2) with h = 2^n / 2: 2^n alone may overflow."""
    r, shifted = _reduced(x, x.format.bias - 1)
    h = two_to(shifted)
    first = h * r
    return fma(first * r, polynomial(r, EXP[x.dtype]), first) + (h - 0.5)


def sinh(x: Number) -> Number:
    """Return (e^|x| - e^-|x|) / 2 with the sign of x; x itself where the rest is lost."""
    a = abs(x)
    r, growth, decay = _quarters(a)
    half = _half_hyperbolic(r, growth, -decay)
    y = where(a < TINY[x.dtype], a, half + half)
    return y.copysign(x)


def cosh(x: Number) -> Number:
    """Return (e^|x| + e^-|x|) / 2."""
    half = _half_hyperbolic(*_quarters(abs(x)))
    return half + half


def _quarters(a: Number) -> tuple[Number, Number, Number]:
    """Return r of a = n ln 2 + r, and 2^n / 4 and 2^-n / 4; 2^n / 2 may overflow before sinh a does."""
    form = a.format
    r, shifted = _reduced(at_most(a, SINH_END[a.dtype]), form.bias - 2)
    growth = two_to(shifted)
    bits_of_product = (2 * form.bias - 4) << form.mantissa  # exponents add up
    decay = (bits_of_product - growth.bits()).from_bits()
    return r, growth, at_least(decay, 0)  # its exponent may be too low


def _half_hyperbolic(r: Number, growth: Number, decay: Number) -> Number:
    """Return growth e^r + decay e^-r = even cosh r + odd sinh r, where even and odd are sum and difference.

    This is (even + odd r) + r² (even P(r²) + odd r Q(r²)), and what rounding lost of even.
    """
    even, odd = growth + decay, growth - decay
    lost = decay - (even - growth)
    z = r * r
    of_sinh = odd * r * polynomial(z, SINH[r.dtype])
    of_both = fma(even, polynomial(z, COSH[r.dtype]), of_sinh)
    rest = fma(z, of_both, lost)
    return fma(odd, r, even) + rest


def tanh(x: Number) -> Number:
    """Return a + a³ P(a²) with a = |x| up to where it is 1/2, beyond it 1 - 2 / (e^2a + 1); the sign of x."""
    a = abs(x)
    z = x * x
    near = fma(a * z, polynomial(z, TANH[x.dtype]), a)
    r, shifted = _reduced(at_most(a + a, LOST[x.dtype]), x.format.bias)
    whole = fma(_exp_of_rest(r), two_to(shifted), 1)
    far = 1 - 2 / whole
    return where(a < TANH_HALF, near, far).copysign(x)


def logistic(x: Number) -> Number:
    """Return 1 / (1 + e^-x), which is v / (1 + u) with u = e^-|x| and v = u for x < 0, otherwise 1.

    As y = v - u y this is repeated once: what the division and its operands lost is multiplied by u.
    """
    u = _exp(-abs(x))
    v = where(x < 0, u, 1)
    return fma(-u, v / (1 + u), v)


# Logarithms --------------------------------------------------------------------------------------


def log(x: Number) -> Number:
    """Return ln x = e ln 2 + ln m for x = m 2^e; -∞ at 0, NaN below."""
    return _at_the_ends(x, _log(*_exponent_and_fraction(x)))


def log2(x: Number) -> Number:
    """Return the logarithm to base 2; -∞ at 0, NaN below."""
    return _at_the_ends(x, _log_to_base(*_exponent_and_fraction(x), BASE_2[x.dtype]))


def log10(x: Number) -> Number:
    """Return the logarithm to base 10; -∞ at 0, NaN below."""
    return _at_the_ends(x, _log_to_base(*_exponent_and_fraction(x), BASE_10[x.dtype]))


def _exponent_and_fraction(x: Number) -> tuple[Number, Number]:
    """Return e and f of x = (1 + f) 2^e, of denormal numbers too."""
    form = x.format
    denormal = x < form.smallest
    e, m, _ = split(where(denormal, x * 2.0**form.mantissa, x))
    e = where(denormal, e - form.mantissa, e)
    return e, m - 1


def log1p(x: Number) -> Number:
    """Return ln(1 + x): that of u = 1 + x with what its rounding lost added to its fraction."""
    u, lost = fast_two_sum(1, x)
    e, m, inverse = split(u)
    f = fma(lost, at_least(inverse, 0), m - 1)  # of e = 128 the inverse is -∞
    return _at_the_ends(u, _log(e, f)).copysign(x)


def _log(e: Number, f: Number) -> Number:
    """Return e ln 2 + ln(1 + f)."""
    high, low = LN2[f.dtype]
    square, second = _log_without_first(f)
    rest = fma(square, second, e * low)
    return fma(e, high, f + rest)


def _log_to_base(e: Number, f: Number, base: Sequence[float]) -> Number:
    """Return e log 2 + ln(1 + f) / ln base, where log is to this base."""
    high, low, factor, factor_low = base
    square, second = _log_without_first(f)
    rest = fma(f, factor_low, e * low)
    rest = fma(square * second, factor, rest)
    return fma(e, high, fma(f, factor, rest))


def _log_without_first(f: Number) -> tuple[Number, Number]:
    """Return the factors of ln(1 + f) - f = f² (-1/2 + f P(f))."""
    return f * f, polynomial(f, (-0.5, *LOG[f.dtype]))


def _at_the_ends(x: Number, y: Number) -> Number:
    """Return y = ln x, right also where x is not a positive number."""
    y = where(x < math.inf, y, x)
    other = where(x == 0, x.like(-math.inf), math.nan)
    return where(x > 0, y, other)


# The error function ------------------------------------------------------------------------------


def erf(x: Number) -> Number:
    """Return erf x = x + x P(x²) up to 1, beyond it 1 - e^p(|x|)."""
    near = fma(x, polynomial(x * x, ERF[x.dtype]), x)
    a = abs(x)
    s = at_most(a, ERF_ONE[x.dtype]) - 1
    r, shifted = _reduced(polynomial(s, LOG_ERFC[x.dtype]), x.format.bias)
    far = fma(-_exp_of_rest(r), two_to(shifted), 1)
    return where(a < 1, near, far.copysign(x))


def _on_elements(function: Callable[..., Number]) -> Callable[..., Element]:
    """Return a function of numbers as one of a builder and its elements."""

    def written(b: Any, *elements: Element) -> Element:
        return function(*(Number(b, element) for element in elements)).element

    return written


#: The functions by name: each takes a builder and elements.
FUNCTIONS: Final[dict[str, Callable[..., Element]]] = {
    function.__name__: _on_elements(function)
    for function in (
        *(exp, expm1, log, log2, log10, log1p, power, erf, logistic),
        *(sin, cos, tan, sinh, cosh, tanh),
    )
}
