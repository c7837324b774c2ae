"""x^y = 2^(y log2 |x|), and the sign.

An error of log2 |x| is magnified up to a thousand times, so a power of float32 is computed in float64, and
one of float64 with a logarithm in two parts.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.compiler.vectormath_parts import (
    Element,
    at_least,
    at_most,
    format_of,
    is_whole,
    nearest,
    number,
    polynomial,
    split,
    times_two_to,
    two_to,
    upper,
)
from chainrule.compiler.vectormath_tables import EXP2, LOG2, LOG2_C0, LOG2_C1, LOG2_R


def power(b: Any, x: Element, y: Element) -> Element:
    """Return x^y; 1 for y = 0 and for x = 1, even of NaN; NaN for x < 0 and y that is no whole number."""
    magnitude = _of_float32(b, x, y) if b.dtype(x) == "float32" else _of_float64(b, x, y)
    zero, one, infinity = (number(b, value, x) for value in (0, 1, math.inf))
    a, h = b.abs(x), b.abs(y)
    endless = b.logical_and(b.equal(a, one), b.equal(h, infinity))
    is_one = b.logical_or(b.logical_or(b.equal(x, one), b.equal(y, zero)), endless)
    magnitude = b.select(is_one, one, magnitude)
    whole = is_whole(b, h)
    negative = b.logical_and(b.less(x, zero), b.less(number(b, -math.inf, x), x))
    nowhere = b.logical_and(negative, b.logical_not(whole))
    odd = b.logical_and(whole, b.logical_not(is_whole(b, b.multiply(h, number(b, 0.5, x)))))
    signed = b.copysign(magnitude, b.select(odd, x, one))
    return b.select(nowhere, number(b, math.nan, x), signed)


def _of_float32(b: Any, x: Element, y: Element) -> Element:
    """Return |x|^y by float64: log2 |x| = e + f P(f)."""
    a = b.abs(b.cast(x, "float64"))
    e, m, _ = split(b, a)
    f = b.subtract(m, number(b, 1, m))
    log2 = _at_the_ends(b, a, b.fma(f, polynomial(b, f, LOG2), e))
    w = b.multiply(b.cast(y, "float64"), log2)
    w = at_least(b, at_most(b, w, 200), -200)
    n, shifted = nearest(b, w, plus=format_of(b, w).bias)
    return b.cast(b.multiply(_exp2(b, b.subtract(w, n), "float32"), two_to(b, shifted)), "float32")


def _of_float64(b: Any, x: Element, y: Element) -> Element:
    """Return |x|^y by y log2 |x| in two parts."""
    a = b.abs(x)
    high, low = _log2(b, a)
    y_high = upper(b, y)
    product = b.multiply(y_high, high)  # exact
    rest = b.fma(b.subtract(y, y_high), high, b.multiply(y, low))
    w = b.multiply(y, _at_the_ends(b, a, high))
    inside = b.less(b.abs(w), number(b, 1100, w))
    product = b.select(inside, product, at_least(b, at_most(b, w, 1100), -1100))
    rest = b.select(inside, rest, number(b, 0, w))
    n, shifted = nearest(b, b.add(product, rest), plus=2 * format_of(b, w).bias)
    r = b.add(b.subtract(product, n), rest)
    return times_two_to(b, _exp2(b, r, "float64"), shifted)


def _exp2(b: Any, r: Element, precision: str) -> Element:
    """Return 2^r = 1 + r q(r) for |r| ≤ 1/2."""
    return polynomial(b, r, (1.0, *EXP2[precision]))


def _at_the_ends(b: Any, a: Element, log2: Element) -> Element:
    """Return log2 a, right also for 0, infinity and NaN."""
    log2 = b.select(b.less(a, number(b, math.inf, a)), log2, a)
    return b.select(b.equal(a, number(b, 0, a)), number(b, -math.inf, a), log2)


def _log2(b: Any, a: Element) -> tuple[Element, Element]:
    """Return log2 a = e + s (c₀ + c₁ z + z² R(z)), with s = (m - 1) / (m + 1) and z = s², in two floats.

    A name that ends in `_high` has 26 bits at most, so that products of two such are exact; the one that ends
    in `_low` is what is missing, known to 53 bits.
    """
    denormal = b.less(a, number(b, format_of(b, a).smallest, a))
    e, m, _ = split(b, b.select(denormal, b.multiply(a, number(b, 2.0**54, a)), a))
    e = b.select(denormal, b.subtract(e, number(b, 54, a)), e)

    s_high, s_low = _ratio(b, m)
    square = b.multiply(s_high, s_high)
    z_high = upper(b, square)
    twice = b.add(s_high, b.add(s_high, s_low))
    z_low = b.fma(s_low, twice, b.subtract(square, z_high))
    z = b.add(z_high, z_low)

    c0_high, c0_low, c1_high, c1_low = (number(b, part, a) for part in (*LOG2_C0, *LOG2_C1))
    rest = b.fma(c1_high, z_low, b.fma(c1_low, z, c0_low))
    rest = b.fma(b.multiply(z, z), polynomial(b, z, LOG2_R), rest)
    first = b.multiply(c1_high, z_high)
    sum_high = upper(b, b.add(c0_high, b.add(first, rest)))
    sum_low = b.subtract(rest, b.subtract(b.subtract(sum_high, c0_high), first))

    product = b.multiply(s_high, sum_high)
    product_low = b.fma(s_high, sum_low, b.multiply(s_low, b.add(sum_high, sum_low)))
    high = upper(b, b.add(e, b.add(product, product_low)))
    return high, b.add(b.subtract(product, b.subtract(high, e)), product_low)


def _ratio(b: Any, m: Element) -> tuple[Element, Element]:
    """Return (m - 1) / (m + 1) in two floats."""
    one = number(b, 1, m)
    f, u = b.subtract(m, one), b.add(m, one)
    u_high = upper(b, u)
    u_low = b.subtract(m, b.subtract(u_high, one))
    inverse = b.divide(one, u)
    s_high = upper(b, b.multiply(f, inverse))
    remainder = b.subtract(b.subtract(f, b.multiply(s_high, u_high)), b.multiply(s_high, u_low))
    return s_high, b.multiply(remainder, inverse)
