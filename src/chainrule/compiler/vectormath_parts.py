"""The bits of floats, and the few steps that all functions of `vectormath` are made of.

Numbers of either dtype are written through the same code: what differs stands in a `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

Element = Any  # of `builder`, which knows this module and not the other way round


class Format(NamedTuple):
    """How a float is stored: x = ± m 2^e with m in [1, 2), as sign, e + bias, and the mantissa's bits."""

    mantissa: int
    bias: int
    root: int  # the bits of √½
    integer: str

    @property
    def shifter(self) -> float:
        """Of 1.5 · 2^mantissa the lowest bit is worth 1: adding it rounds to whole numbers."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest(self) -> float:
        """The smallest number that is not denormal."""
        return 2.0 ** (1 - self.bias)


FORMATS: Final = {
    "float32": Format(mantissa=23, bias=127, root=0x3F3504F3, integer="int32"),
    "float64": Format(mantissa=52, bias=1023, root=0x3FE6A09E667F3BCD, integer="int64"),
}


def format_of(b: Any, x: Element) -> Format:
    """Return how x is stored."""
    return FORMATS[b.dtype(x)]


def number(b: Any, value: float, like: Element) -> Element:
    """Return a number of the dtype of another."""
    return b.constant(value, b.dtype(like))


def polynomial(b: Any, x: Element, coefficients: Sequence[float]) -> Element:
    """Return c₀ + c₁ x + c₂ x² + ..., from the highest down."""
    total = number(b, coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        total = b.fma(total, x, number(b, coefficient, x))
    return total


def at_least(b: Any, x: Element, low: float) -> Element:
    """Return x, or `low` where x is below; a NaN stays."""
    bound = number(b, low, x)
    return b.select(b.less(x, bound), bound, x)


def at_most(b: Any, x: Element, high: float) -> Element:
    """Return x, or `high` where x is above; a NaN stays."""
    bound = number(b, high, x)
    return b.select(b.less(bound, x), bound, x)


# Whole numbers -----------------------------------------------------------------------------------


def nearest(b: Any, x: Element, factor: float = 1.0, plus: int = 0) -> tuple[Element, Element]:
    """Return n = factor x to the nearest whole number, and the float whose lowest bits are n + plus."""
    shifter = number(b, format_of(b, x).shifter + plus, x)
    shifted = b.add(x, shifter) if factor == 1 else b.fma(x, number(b, factor, x), shifter)
    return b.subtract(shifted, shifter), shifted


def two_to(b: Any, shifted: Element) -> Element:
    """Return 2^n of `nearest(..., plus=bias)`, where it is not denormal."""
    return b.from_bits(b.shift_left(b.bits(shifted), format_of(b, shifted).mantissa))


def times_two_to(b: Any, x: Element, shifted: Element) -> Element:
    """Return x 2^n of `nearest(..., plus=2 bias)`, in two factors because 2^n may overflow or be denormal."""
    form = format_of(b, shifted)
    bits = b.bits(shifted)
    mask = b.constant((2 * form.bias + 1) << form.mantissa, form.integer)
    half = b.bit_and(b.shift_left(bits, form.mantissa - 1), mask)  # the exponent field of 2^⌊n/2⌋
    rest = b.subtract(b.shift_left(bits, form.mantissa), half)
    return b.multiply(b.multiply(x, b.from_bits(half)), b.from_bits(rest))


def is_whole(b: Any, x: Element) -> Element:
    """Return whether x ≥ 0 is a whole number; infinity is, NaN is not."""
    bound = number(b, 2.0 ** format_of(b, x).mantissa, x)
    return b.logical_or(b.less_equal(bound, x), b.equal(b.subtract(b.add(x, bound), bound), x))


# Exponent and fraction ---------------------------------------------------------------------------


class Split(NamedTuple):
    """x = m 2^e with m in [√½, √2)."""

    exponent: Element  # e, a float
    fraction: Element  # m
    inverse: Element  # 2^-e


def split(b: Any, x: Element) -> Split:
    """Return exponent and fraction of a number that is positive, finite and not denormal."""
    form = format_of(b, x)

    def whole(value: int) -> Element:
        return b.constant(value, form.integer)

    above = b.subtract(b.bits(x), whole(form.root))  # e is where √½ 2^e would be
    fraction = b.from_bits(b.add(b.bit_and(above, whole((1 << form.mantissa) - 1)), whole(form.root)))
    scale = b.bit_and(above, whole(-1 << form.mantissa))
    inverse = b.from_bits(b.subtract(whole(form.bias << form.mantissa), scale))
    return Split(_as_float(b, b.shift_right(above, form.mantissa), form), fraction, inverse)


def _as_float(b: Any, n: Element, form: Format) -> Element:
    """Return a small integer as a float; few CPUs have an instruction for int64."""
    if form.integer == "int32":
        return b.to_float(n)
    shifter = form.shifter
    bits = b.bits(b.constant(shifter, "float64"))
    return b.subtract(b.from_bits(b.add(n, bits)), b.constant(shifter, "float64"))


def upper(b: Any, x: Element) -> Element:
    """Return the upper 26 bits of a float64: products of two such are exact."""
    return b.from_bits(b.bit_and(b.bits(x), b.constant(-1 << 27, "int64")))


def repeat(
    b: Any,
    times: str,
    body: Callable[[str, list[Element]], Sequence[Element]],
    carried: Sequence[Element],
) -> list[Element]:
    """Write a loop whose turns hand on elements; `times` is an i64."""
    like = [type(element) for element in carried]

    def wrap(texts: Sequence[str]) -> list[Element]:
        pairs = zip(like, texts, carried, strict=True)
        return [make(text, element.dtype, element.vector) for make, text, element in pairs]

    starts = [(element.type, element.text) for element in carried]
    return wrap(b.code.loop("0", times, 1, lambda i, now: [each.text for each in body(i, wrap(now))], starts))
