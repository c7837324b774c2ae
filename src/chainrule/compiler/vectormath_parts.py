"""The numbers that `vectormath` computes with, and the few steps that all of its functions are made of.

Numbers of either dtype are written through the same code: what differs stands in a `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

Element = Any  # of `builder`, which knows this module and not the other way round


class Number:
    """A float, an integer or a bool, or a vector of them: arithmetic on it writes instructions.

    A plain number in an operation is a constant of the other operand's dtype.

    Parameters
    ----------
    builder : Builder
        Writes them.
    element : Element
        What it is to the builder.
    """

    def __init__(self, builder: Any, element: Element) -> None:
        self.builder = builder
        self.element = element

    @property
    def dtype(self) -> str:
        """The name of its dtype."""
        return str(self.element.dtype)

    @property
    def format(self) -> Format:
        """How a float of its dtype is stored."""
        return FORMATS[self.dtype]

    def like(self, number: Number | float) -> Number:
        """Return a plain number as a constant of this dtype, and any other number as it is."""
        if isinstance(number, Number):
            return number
        return Number(self.builder, self.builder.constant(number, self.dtype))

    def apply(self, operation: str, *operands: Any) -> Number:
        """Write one of the builder's operations on this number and others."""
        elements = (each.element if isinstance(each, Number) else each for each in operands)
        return Number(self.builder, getattr(self.builder, operation)(self.element, *elements))

    def __add__(self, other: Number | float) -> Number:
        return self.apply("add", self.like(other))

    def __radd__(self, other: float) -> Number:
        return self.like(other) + self

    def __sub__(self, other: Number | float) -> Number:
        return self.apply("subtract", self.like(other))

    def __rsub__(self, other: float) -> Number:
        return self.like(other) - self

    def __mul__(self, other: Number | float) -> Number:
        return self.apply("multiply", self.like(other))

    def __truediv__(self, other: Number | float) -> Number:
        return self.apply("divide", self.like(other))

    def __rtruediv__(self, other: float) -> Number:
        return self.like(other) / self

    def __neg__(self) -> Number:
        return self.apply("negative")

    def __abs__(self) -> Number:
        return self.apply("abs")

    def __lt__(self, other: Number | float) -> Number:
        return self.apply("less", self.like(other))

    def __gt__(self, other: Number | float) -> Number:
        return self.like(other) < self

    def __ge__(self, other: Number | float) -> Number:
        return self.like(other).apply("less_equal", self)

    def __eq__(self, other: Number | float) -> Number:  # type: ignore[override]
        return self.apply("equal", self.like(other))

    __hash__ = object.__hash__

    def __and__(self, other: Number | int) -> Number:
        return self.apply("bit_and", self.like(other))

    def __or__(self, other: Number) -> Number:
        return self.apply("logical_or", other)

    def __xor__(self, other: Number) -> Number:
        return self.apply("xor", other)

    def __invert__(self) -> Number:
        return self.apply("logical_not")

    def __lshift__(self, by: int) -> Number:
        return self.apply("shift_left", by)

    def __rshift__(self, by: int) -> Number:
        return self.apply("shift_right", by)

    def bits(self) -> Number:
        """Return a float's bits as an integer."""
        return self.apply("bits")

    def from_bits(self) -> Number:
        """Return the float that has these bits."""
        return self.apply("from_bits")

    def cast(self, dtype: str) -> Number:
        """Return it in another dtype."""
        return self.apply("cast", dtype)

    def copysign(self, sign: Number) -> Number:
        """Return it with the sign of another."""
        return self.apply("copysign", sign)


def fma(x: Number, y: Number | float, z: Number | float) -> Number:
    """Return x y + z, rounded once where the CPU can do so."""
    return x.apply("fma", x.like(y), x.like(z))


def where(condition: Number, x: Number, y: Number | float) -> Number:
    """Return x where the condition holds, otherwise y."""
    return condition.apply("select", x, x.like(y))


# How floats are stored ---------------------------------------------------------------------------


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


# Steps -------------------------------------------------------------------------------------------


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """Return c₀ + c₁ x + c₂ x² + ..., from the highest down."""
    total = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = fma(total, x, coefficient)
    return total


def at_least(x: Number, low: float) -> Number:
    """Return x, or `low` where x is below; a NaN stays."""
    return where(x < low, x.like(low), x)


def at_most(x: Number, high: float) -> Number:
    """Return x, or `high` where x is above; a NaN stays."""
    return where(x > high, x.like(high), x)


def fast_two_sum(x: Number | float, y: Number) -> tuple[Number, Number]:
    """Return x + y, and what its rounding lost: exact for |x| ≥ |y| (Dekker 1971)."""
    total = x + y
    return total, y - (total - x)


def two_sum(x: Number, y: Number) -> tuple[Number, Number]:
    """Return x + y, and what its rounding lost: exact whichever is the larger (Knuth 1969)."""
    total = x + y
    of_y = total - x
    return total, (x - (total - of_y)) + (y - of_y)


# Whole numbers -----------------------------------------------------------------------------------


def nearest(x: Number, factor: float = 1.0, plus: int = 0) -> tuple[Number, Number]:
    """Return n = factor x to the nearest whole number, and the float whose lowest bits are n + plus."""
    shifter = x.like(x.format.shifter + plus)
    shifted = x + shifter if factor == 1 else fma(x, factor, shifter)
    return shifted - shifter, shifted


def two_to(shifted: Number) -> Number:
    """Return 2^n of `nearest(..., plus=bias)`, where it is not denormal."""
    return (shifted.bits() << shifted.format.mantissa).from_bits()


def times_two_to(x: Number, shifted: Number) -> Number:
    """Return x 2^n of `nearest(..., plus=2 bias)`, in two factors because 2^n may overflow or be denormal."""
    form, bits = shifted.format, shifted.bits()
    exponent_field = (2 * form.bias + 1) << form.mantissa
    half = (bits << form.mantissa - 1) & exponent_field  # that of 2^⌊n/2⌋
    rest = (bits << form.mantissa) - half
    return x * half.from_bits() * rest.from_bits()


def is_whole(x: Number) -> Number:
    """Return whether x ≥ 0 is a whole number; infinity is, NaN is not."""
    bound = 2.0**x.format.mantissa  # from here on all floats are whole
    return (x >= bound) | (x + bound - bound == x)


# Exponent and fraction ---------------------------------------------------------------------------


class Split(NamedTuple):
    """x = m 2^e with m in [√½, √2)."""

    exponent: Number  # e, a float
    fraction: Number  # m
    inverse: Number  # 2^-e


def split(x: Number) -> Split:
    """Return exponent and fraction of a number that is positive, finite and not denormal."""
    form = x.format
    above = x.bits() - form.root  # e is where √½ 2^e would be
    mantissa = above & (1 << form.mantissa) - 1
    fraction = (mantissa + form.root).from_bits()
    exponent_field = above & -1 << form.mantissa
    inverse = ((form.bias << form.mantissa) - exponent_field).from_bits()
    return Split(_as_float(above >> form.mantissa, form), fraction, inverse)


def _as_float(n: Number, form: Format) -> Number:
    """Return a small integer as a float; few CPUs have an instruction for int64."""
    if form.integer == "int32":
        return n.apply("to_float")
    shifter = Number(n.builder, n.builder.constant(form.shifter, "float64"))
    return (n + shifter.bits()).from_bits() - shifter


def upper(x: Number) -> Number:
    """Return the upper 26 bits of a float64: products of two such are exact."""
    return (x.bits() & -1 << 27).from_bits()


def repeat(
    times: str, body: Callable[[str, list[Number]], Sequence[Number]], carried: Sequence[Number]
) -> list[Number]:
    """Write a loop whose turns hand on numbers; `times` is an i64."""
    builder = carried[0].builder
    elements = [number.element for number in carried]

    def as_numbers(texts: Sequence[str]) -> list[Number]:
        pairs = zip(elements, texts, strict=True)
        return [Number(builder, type(like)(text, like.dtype, like.vector)) for like, text in pairs]

    def turn(i: str, texts: list[str]) -> list[str]:
        return [number.element.text for number in body(i, as_numbers(texts))]

    starts = [(element.type, element.text) for element in elements]
    return as_numbers(builder.code.loop("0", times, 1, turn, starts))
