"""x^y = 2^(y log2 |x|), and the sign.

An error of log2 |x| is magnified up to a thousand times, so a power of float32 is computed in float64, and
one of float64 with a logarithm in two parts.
"""

from __future__ import annotations

import math

from chainrule.compiler.vectormath_parts import (
    Number,
    at_least,
    at_most,
    fma,
    is_whole,
    nearest,
    polynomial,
    split,
    times_two_to,
    two_to,
    upper,
    where,
)
from chainrule.compiler.vectormath_tables import EXP2, LOG2, LOG2_C0, LOG2_C1, LOG2_R


def power(x: Number, y: Number) -> Number:
    """Return x^y; 1 for y = 0 and for x = 1, even of NaN; NaN for x < 0 and y that is no whole number."""
    size = _of_float32(x, y) if x.dtype == "float32" else _of_float64(x, y)
    a, h = abs(x), abs(y)
    to_infinity = (a == 1) & (h == math.inf)
    size = where((x == 1) | (y == 0) | to_infinity, x.like(1), size)
    whole = is_whole(h)
    negative = (x < 0) & (x > -math.inf)
    undefined = negative & ~whole
    odd = whole & ~is_whole(h * 0.5)
    signed = size.copysign(where(odd, x, 1))
    return where(undefined, x.like(math.nan), signed)


def _of_float32(x: Number, y: Number) -> Number:
    """Return |x|^y by float64: log2 |x| = e + f P(f)."""
    a = abs(x.cast("float64"))
    e, m, _ = split(a)
    f = m - 1
    log2 = _at_the_ends(a, fma(f, polynomial(f, LOG2), e))
    w = y.cast("float64") * log2
    w = at_least(at_most(w, 200), -200)
    n, shifted = nearest(w, plus=w.format.bias)
    size = _exp2(w - n, "float32") * two_to(shifted)
    return size.cast("float32")


def _of_float64(x: Number, y: Number) -> Number:
    """Return |x|^y by y log2 |x| in two parts."""
    a = abs(x)
    high, low = _log2(a)
    y_high = upper(y)
    product = y_high * high  # exact
    rest = fma(y - y_high, high, y * low)
    w = y * _at_the_ends(a, high)
    inside = abs(w) < 1100
    product = where(inside, product, at_least(at_most(w, 1100), -1100))
    rest = where(inside, rest, 0)
    n, shifted = nearest(product + rest, plus=2 * w.format.bias)
    r = product - n + rest
    return times_two_to(_exp2(r, "float64"), shifted)


def _exp2(r: Number, precision: str) -> Number:
    """Return 2^r = 1 + r q(r) for |r| ≤ 1/2."""
    return polynomial(r, (1.0, *EXP2[precision]))


def _at_the_ends(a: Number, log2: Number) -> Number:
    """Return log2 a, right also for 0, infinity and NaN."""
    log2 = where(a < math.inf, log2, a)
    return where(a == 0, a.like(-math.inf), log2)


def _log2(a: Number) -> tuple[Number, Number]:
    """Return log2 a = e + s (c₀ + c₁ z + z² R(z)), with s = (m - 1) / (m + 1) and z = s², in two floats.

    A name that ends in `_high` has 26 bits at most, so that products of two such are exact; the one that ends
    in `_low` is what is missing, known to 53 bits.
    """
    denormal = a < a.format.smallest
    e, m, _ = split(where(denormal, a * 2.0**54, a))
    e = where(denormal, e - 54, e)

    s_high, s_low = _ratio(m)
    square = s_high * s_high
    z_high = upper(square)
    twice = s_high + (s_high + s_low)
    z_low = fma(s_low, twice, square - z_high)
    z = z_high + z_low

    c0_high, c0_low = map(a.like, LOG2_C0)
    c1_high, c1_low = map(a.like, LOG2_C1)
    rest = fma(c1_high, z_low, fma(c1_low, z, c0_low))
    rest = fma(z * z, polynomial(z, LOG2_R), rest)
    first = c1_high * z_high
    sum_high = upper(c0_high + (first + rest))
    sum_low = rest - (sum_high - c0_high - first)

    product = s_high * sum_high
    product_low = fma(s_high, sum_low, s_low * (sum_high + sum_low))
    high = upper(e + (product + product_low))
    return high, product - (high - e) + product_low


def _ratio(m: Number) -> tuple[Number, Number]:
    """Return (m - 1) / (m + 1) in two floats."""
    f, u = m - 1, m + 1
    u_high = upper(u)
    u_low = m - (u_high - 1)
    inverse = 1 / u
    s_high = upper(f * inverse)
    remainder = f - s_high * u_high - s_high * u_low
    return s_high, remainder * inverse
