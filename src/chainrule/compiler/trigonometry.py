"""Sine, cosine and tangent of any float: x = n π/2 + r with |r| ≤ π/4, so that sin x is ± sin r or ± cos r.

The reduction is in float64 for both dtypes. Up to a bound π/2 in a few short parts is enough; the rare larger
number goes through all digits of 2/π that matter to it (Payne and Hanek 1983), which a vector without one
skips.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from chainrule.compiler.vectormath_parts import (
    Number,
    fast_two_sum,
    fma,
    nearest,
    polynomial,
    repeat,
    two_sum,
    upper,
    where,
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


def sin(x: Number) -> Number:
    """Return sin x; NaN of infinity."""
    return _sine(x, 0)


def cos(x: Number) -> Number:
    """Return cos x = sin(x + π/2); NaN of infinity."""
    return _sine(x, 1)


def _sine(x: Number, turns: int) -> Number:
    """Return sin(x + turns π/2): for n = 0, 1, 2, 3 (modulo 4) it is sin r, cos r, -sin r, -cos r."""
    dtype, integer = x.dtype, x.format.integer
    n, r, _ = _reduced(x.cast("float64"), REACH[dtype])
    r, n = r.cast(dtype), n.cast(integer)
    n = n + 1 if turns else n
    z = r * r
    sine = fma(r, z * polynomial(z, SIN[dtype]), r).copysign(r)  # of -0 too
    cosine = polynomial(z, (1.0, -0.5, *COS[dtype]))
    y = where(n & 1 == 1, cosine, sine)
    to_sign = {"int32": 30, "int64": 62}[integer]
    return (y.bits() ^ ((n & 2) << to_sign)).from_bits()


def tan(x: Number) -> Number:
    """Return tan x, which is t = tan r for even n and -1 / t for odd n; NaN of infinity.

    t = r + r³ P(r²) is kept in two floats, and so is r: division would magnify what rounding them loses.
    """
    dtype, integer = x.dtype, x.format.integer
    n, wide, low = _reduced(x.cast("float64"), REACH[dtype])
    r = wide.cast(dtype)
    if dtype == "float32":
        low = (wide - r.cast("float64")).cast(dtype)
    z = r * r
    rest = r * z * polynomial(z, TAN[dtype])
    t = r + rest
    rest = fma(low, fma(t, t, 1), rest)
    t, low = fast_two_sum(r, rest)
    inverse = -1 / t
    inverse = fma(inverse * inverse, low, inverse)
    odd = n.cast(integer) & 1
    return where(odd == 1, inverse, t.copysign(r))  # of -0 too


def _reduced(x: Number, reach: Reach) -> list[Number]:
    """Return n, of which only the lowest two bits of an int64 are right, and r in two floats."""
    now = _small(x, reach)
    a = abs(x)
    huge = (a > reach.bound) & (a < math.inf)

    def again(_: str, now: list[Number]) -> list[Number]:
        return [where(huge, new, old) for new, old in zip(_huge(x, reach), now, strict=True)]

    return repeat(_one_if_any(huge), again, now)


def _one_if_any(condition: Number) -> str:
    """Return 1 if the condition holds in any lane, as an i64."""
    code, element = condition.builder.code, condition.element
    text = element.text
    if element.vector:
        lanes = element.type.split()[0].strip("<")
        text = code.call("i1", f"llvm.vector.reduce.or.v{lanes}i1", element.typed)
    return str(code.value(f"zext i1 {text} to i64"))


def _small(x: Number, reach: Reach) -> list[Number]:
    """Return n and r in two floats, by subtracting the parts of n π/2 from x one after the other.

    What the subtractions lose is gathered, and goes in with the last part.
    """
    n, shifted = nearest(x, 2 / math.pi)
    first, *middle, last = reach.half_pi
    r = fma(n, -first, x)  # exact
    lost = x.like(0)
    for part in middle:
        following = fma(n, -part, r)
        lost = lost + fma(n, -part, r - following)
        r = following
    rest = fma(n, last, -lost)
    total = r - rest  # -0 stays -0
    return [shifted.bits(), total, r - total - rest]


def _huge(x: Number, reach: Reach) -> list[Number]:
    """Return n and r in two floats, by multiplying x with 2/π digit by digit.

    Every product is exact, and multiples of 4 are dropped from it. The sum without its whole part is kept in
    two floats.
    """
    code = x.builder.code
    table = _pieces(x.builder)
    scaled = x * 2.0**-SCALE
    high = upper(scaled)
    halves = high, scaled - high

    def add_piece(i: str, now: list[Number]) -> list[Number]:
        place = code.value(f"getelementptr double, ptr @{table}, i64 {i}")
        text = code.value(f"load double, ptr {place}")
        piece = Number(x.builder, type(x.element)(text, "float64"))
        for half in halves:
            now = _add_modulo_4(half * piece, *now)
        return now

    zero = abs(x * 0)  # scalar or vector as x is
    n, total, low = repeat(str(reach.pieces), add_piece, [zero.bits(), zero, zero])
    fraction, low = fast_two_sum(total, low)
    high = upper(fraction)
    rest = (fraction - high + low) * (math.pi / 2)
    first, second = HALF_PI
    rest = fma(high, second, rest)
    r = fma(high, first, rest)
    return [n, r, fma(high, first, -r) + rest]


def _add_modulo_4(term: Number, n: Number, total: Number, low: Number) -> list[Number]:
    """Add a term, of which multiples of 4 don't matter, to n + total + low; |total| stays within 1/2."""
    term = where(abs(term) < 2.0**60, term, 0)
    for shifter in (3 * 2.0**61, 3 * 2.0**53):  # a multiple of 2^10, then of 4
        multiple = term + shifter - shifter
        term = term - multiple
    added, error = two_sum(total, term)
    whole, shifted = nearest(added)
    return [n + shifted.bits(), added - whole, low + error]


def _pieces(b: Any) -> str:
    """Return the name of the table of PIECES, which goes into the module beside the function."""
    scaled = (piece * 2.0 ** (SCALE - 26 * (j + 1)) for j, piece in enumerate(PIECES))
    values = ", ".join(f"double {b.constant(value, 'float64').text}" for value in scaled)
    name = "two_over_pi"
    b.code.declarations.add(f"@{name} = private unnamed_addr constant [{len(PIECES)} x double] [{values}]")
    return name
