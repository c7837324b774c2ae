"""Sine, cosine and tangent of any float: x = n π/2 + r with |r| ≤ π/4, so that sin x is ± sin r or ± cos r.

The reduction is in float64 for both dtypes. Up to a bound π/2 in a few short parts is enough; the rare larger
number goes through all digits of 2/π that matter to it (Payne and Hanek 1983), which a vector without one
skips.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from chainrule.compiler.vectormath_parts import (
    Element,
    format_of,
    nearest,
    number,
    polynomial,
    repeat,
    upper,
)
from chainrule.compiler.vectormath_tables import COS, SIN, TAN


class Reach(NamedTuple):
    """How numbers of one dtype are reduced: up to a bound by π/2 in parts, above by a number of PIECES."""

    bound: float
    half_pi: tuple[float, ...]  # all but the last so short that their product with n is exact
    pieces: int


REACH: Final = {
    "float32": Reach(2.0**22, (1.570796325802803, 9.920935796805404e-10), 9),
    "float64": Reach(
        2.0**26,
        (1.570796325802803, 9.920935739593517e-10, 5.721188709663575e-18, 1.6446256936324258e-26),
        45,
    ),
}

#: π/2: its upper 26 bits, and the rest.
HALF_PI: Final = (1.5707963109016418, 1.5893254773528196e-08)

#: 2/π in digits of 26 bits: 2/π = Σ PIECES[j] 2^-26(j+1).
# fmt: off
PIECES: Final = (
    42722829, 48555073, 21659401, 56087029, 13858563, 28715353, 38736100, 4324945, 26128250,
    62674459, 29957006, 37899730, 58726692, 49193117, 6588223, 35515164, 46442140, 65964067,
    24988590, 54822121, 41009306, 54917092, 5137525, 37323603, 15192690, 4585659, 58608142,
    52426903, 67074070, 25231090, 63202006, 34237727, 28629499, 15891632, 40752081, 37709470,
    25143477, 55737260, 33225084, 24853767, 15195689, 19476134, 50255852, 18845021, 2185228,
)
# fmt: on
SCALE: Final = 600  # the stored pieces are multiplied by 2^600: they would be denormal


def sin(b: Any, x: Element) -> Element:
    """Return sin x; NaN of infinity."""
    return _sine(b, x, 0)


def cos(b: Any, x: Element) -> Element:
    """Return cos x = sin(x + π/2); NaN of infinity."""
    return _sine(b, x, 1)


def _sine(b: Any, x: Element, turns: int) -> Element:
    """Return sin(x + turns π/2): for n = 0, 1, 2, 3 (modulo 4) it is sin r, cos r, -sin r, -cos r."""
    dtype, integer = b.dtype(x), format_of(b, x).integer
    n, r, _ = _reduced(b, b.cast(x, "float64"), REACH[dtype])
    r, n = b.cast(r, dtype), b.cast(n, integer)
    one, two = b.constant(1, integer), b.constant(2, integer)
    n = b.add(n, one) if turns else n
    z = b.multiply(r, r)
    sine = b.copysign(b.fma(r, b.multiply(z, polynomial(b, z, SIN[dtype])), r), r)  # of -0 too
    cosine = polynomial(b, z, (1.0, -0.5, *COS[dtype]))
    y = b.select(b.equal(b.bit_and(n, one), one), cosine, sine)
    top = {"int32": 30, "int64": 62}[integer]
    return b.from_bits(b.xor(b.bits(y), b.shift_left(b.bit_and(n, two), top)))


def tan(b: Any, x: Element) -> Element:
    """Return tan x, which is t = tan r for even n and -1 / t for odd n; NaN of infinity.

    t = r + r³ P(r²) is kept in two floats, and so is r: division would magnify what rounding them loses.
    """
    dtype, integer, one = b.dtype(x), format_of(b, x).integer, number(b, 1, x)
    n, wide, low = _reduced(b, b.cast(x, "float64"), REACH[dtype])
    r = b.cast(wide, dtype)
    if dtype == "float32":
        low = b.cast(b.subtract(wide, b.cast(r, "float64")), dtype)
    z = b.multiply(r, r)
    rest = b.multiply(b.multiply(r, z), polynomial(b, z, TAN[dtype]))
    t = b.add(r, rest)
    rest = b.fma(low, b.fma(t, t, one), rest)
    t = b.add(r, rest)
    low = b.subtract(rest, b.subtract(t, r))
    inverse = b.divide(number(b, -1, x), t)
    inverse = b.fma(b.multiply(inverse, inverse), low, inverse)
    odd = b.bit_and(b.cast(n, integer), b.constant(1, integer))
    return b.select(b.equal(odd, b.constant(1, integer)), inverse, b.copysign(t, r))  # of -0 too


def _reduced(b: Any, x: Element, reach: Reach) -> list[Element]:
    """Return n, of which only the lowest two bits of an int64 are right, and r in two floats."""
    now = _small(b, x, reach)
    a = b.abs(x)
    huge = b.logical_and(b.less(number(b, reach.bound, a), a), b.less(a, number(b, math.inf, a)))

    def again(_: str, now: list[Element]) -> list[Element]:
        return [b.select(huge, new, old) for new, old in zip(_huge(b, x, reach), now, strict=True)]

    return repeat(b, _one_if_any(b, huge), again, now)


def _one_if_any(b: Any, condition: Element) -> str:
    """Return 1 if the condition holds in any lane, as an i64."""
    text = condition.text
    if condition.vector:
        lanes = condition.type.split()[0].strip("<")
        text = b.code.call("i1", f"llvm.vector.reduce.or.v{lanes}i1", condition.typed)
    return str(b.code.value(f"zext i1 {text} to i64"))


def _small(b: Any, x: Element, reach: Reach) -> list[Element]:
    """Return n and r in two floats, by subtracting the parts of n π/2 from x one after the other.

    What the subtractions lose is gathered, and goes in with the last part.
    """
    n, shifted = nearest(b, x, 2 / math.pi)
    first, *middle = (number(b, -part, x) for part in reach.half_pi[:-1])
    r = b.fma(n, first, x)  # exact
    lost = number(b, 0, x)
    for part in middle:
        following = b.fma(n, part, r)
        lost = b.add(lost, b.fma(n, part, b.subtract(r, following)))
        r = following
    last = b.fma(n, number(b, reach.half_pi[-1], x), b.negative(lost))
    total = b.subtract(r, last)  # -0 stays -0
    return [b.bits(shifted), total, b.subtract(b.subtract(r, total), last)]


def _huge(b: Any, x: Element, reach: Reach) -> list[Element]:
    """Return n and r in two floats, by multiplying x with 2/π digit by digit.

    Every product is exact, and multiples of 4 are dropped from it. The sum without its whole part is kept in
    two floats.
    """
    table = _pieces(b)
    scaled = b.multiply(x, number(b, 2.0**-SCALE, x))
    high = upper(b, scaled)
    halves = high, b.subtract(scaled, high)

    def add_piece(i: str, now: list[Element]) -> list[Element]:
        place = b.code.value(f"getelementptr double, ptr @{table}, i64 {i}")
        piece = type(x)(b.code.value(f"load double, ptr {place}"), "float64")
        for half in halves:
            now = _add_modulo_4(b, b.multiply(half, piece), *now)
        return now

    zero = b.abs(b.multiply(x, number(b, 0, x)))  # scalar or vector as x is
    n, total, low = repeat(b, str(reach.pieces), add_piece, [b.bits(zero), zero, zero])
    fraction = b.add(total, low)
    low = b.subtract(low, b.subtract(fraction, total))
    high = upper(b, fraction)
    rest = b.multiply(b.add(b.subtract(fraction, high), low), number(b, math.pi / 2, x))
    first, second = (number(b, part, x) for part in HALF_PI)
    rest = b.fma(high, second, rest)
    r = b.fma(high, first, rest)
    return [n, r, b.add(b.fma(high, first, b.negative(r)), rest)]


def _add_modulo_4(b: Any, term: Element, n: Element, total: Element, low: Element) -> list[Element]:
    """Add a term, of which multiples of 4 don't matter, to n + total + low; |total| stays within 1/2."""
    term = b.select(b.less(b.abs(term), number(b, 2.0**60, term)), term, number(b, 0, term))
    for shifter in (3 * 2.0**61, 3 * 2.0**53):  # a multiple of 2^10, then of 4
        multiple = b.subtract(b.add(term, number(b, shifter, term)), number(b, shifter, term))
        term = b.subtract(term, multiple)
    added = b.add(total, term)
    taken = b.subtract(added, total)
    error = b.add(b.subtract(total, b.subtract(added, taken)), b.subtract(term, taken))
    whole, shifted = nearest(b, added)
    return [b.add(n, b.bits(shifted)), b.subtract(added, whole), b.add(low, error)]


def _pieces(b: Any) -> str:
    """Return the name of the table of PIECES, which goes into the module beside the function."""
    scaled = (piece * 2.0 ** (SCALE - 26 * (j + 1)) for j, piece in enumerate(PIECES))
    values = ", ".join(f"double {b.constant(value, 'float64').text}" for value in scaled)
    name = "two_over_pi"
    b.code.declarations.add(f"@{name} = private unnamed_addr constant [{len(PIECES)} x double] [{values}]")
    return name
