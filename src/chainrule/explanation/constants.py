"""Numbers of a formula that are no short decimals, as they are written on paper: 1/3, π, 1/√2."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

#: Fractions have a numerator up to 2, as 1/n of n rows, or a denominator up to the second number.
_SMALL_ABOVE, _SMALL_BELOW = (1, 2), 100
#: Smaller numbers, and larger ones than its inverse, are written in digits alone.
_LEAST = 1e-6
#: Numbers that have a sign, in LaTeX.
_SIGNED = {
    r"\pi": math.pi,
    r"\frac{1}{\sqrt{2}}": math.sqrt(1 / 2),
    r"\frac{1}{\sqrt{2 \cdot \pi}}": math.sqrt(1 / (2 * math.pi)),
    r"\frac{2}{\sqrt{\pi}}": 2 / math.sqrt(math.pi),
    r"\ln\left(2\right)": math.log(2),
}


def constant(number: Any, digits: int) -> str | None:
    """Return how a number above 0 is written in full in LaTeX; None where so many digits, or nothing, do."""
    value = float(number)
    if isinstance(number, bool | np.bool_ | int | np.integer) or not _LEAST < value < 1 / _LEAST:
        return None
    rounding = 2 * float(np.finfo("float32" if np.float32(value) == value else "float64").eps)

    def is_same(other: float) -> bool:
        return abs(other - value) <= rounding * value

    if is_same(float(f"{value:.{digits}g}")):
        return None
    signed = next((latex for latex, known in _SIGNED.items() if is_same(known)), None)
    if signed is not None:
        return signed
    fractions = [Fraction(above, round(above / value) or 1) for above in _SMALL_ABOVE]
    for fraction in (*fractions, Fraction(value).limit_denominator(_SMALL_BELOW)):
        if is_same(float(fraction)):
            return rf"\frac{{{fraction.numerator}}}{{{fraction.denominator}}}"
    return None
