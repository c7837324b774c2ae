"""Sums of data that come to one number, whatever the row: the parts of a target add up to 1.

A factor that stays the same within such a sum, as the weight of its row, stands before the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.explanation.guards import unguarded
from chainrule.graph.lowering import Expression
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import PRIMITIVES, Value

#: Numbers that differ by so many units in their last place differ by the order of their sum alone.
_SAME = 8
#: A sum that is nearly a fraction with a denominator up to this one is that fraction.
_LARGEST_DENOMINATOR = 1000


@dataclass(frozen=True)
class DataSum:
    """What a sum comes to: a number times a value, if there is one, that is the same for all terms."""

    number: Any
    factor: Value | None


def data_sums(
    sources: Mapping[Value, frozenset[str]], numbers: Mapping[Value, Array]
) -> dict[Value, DataSum]:
    """Return the sums within rows that come to one number; `sources` tells what each value depends on."""
    found = {}
    fixed = {value for value, kinds in sources.items() if not kinds}
    for value in sources:
        if value.primitive is PRIMITIVES["sum"] and ROWS in value.shape:
            for sign, summed, factor in _ways(value, fixed, numbers):
                kinds = sources[summed]
                is_data = "data" in kinds and not kinds & {"x", "parameter"}
                number = _one_number(numbers[summed], value.attributes["axes"]) if is_data else None
                if number is not None:
                    found[value] = DataSum(sign * number, factor)
    return found


def _ways(
    value: Value, fixed: set[Value], numbers: Mapping[Value, Array]
) -> Iterator[tuple[int, Value, Value | None]]:
    """Yield a sign, what is summed, and the factor before the sum; a sum without a factor last."""
    axes = value.attributes["axes"]
    (term,) = value.operands
    sign = 1
    while term.primitive is PRIMITIVES["negative"]:
        sign, (term,) = -sign, term.operands
    if term.primitive is PRIMITIVES["multiply"]:
        factors = unguarded(term, fixed, numbers)
        for factor, summed in (factors, factors[::-1]):
            if not any(_varies(factor, axis) for axis in axes):
                yield sign, summed, factor
    yield 1, value.operands[0], None


def _varies(value: Value, axis: int) -> bool:
    """Whether the elements along an axis are computed from different ones."""
    if value.primitive is PRIMITIVES["broadcast"]:
        axes = value.attributes["axes"]
        return axis in axes and _varies(value.operands[0], axes.index(axis))
    if isinstance(lowering_of(value), Expression):
        return any(one.ndim and _varies(one, axis) for one in value.operands)
    return True


def _one_number(array: Array, axes: tuple[int, ...]) -> Any:
    """Return what all sums along the axes come to; None where they differ."""
    sums = np.sum(array, axis=axes)
    if not sums.size or sums.dtype.kind != "f":
        return None
    first, rounding = sums.flat[0], _SAME * float(np.finfo(sums.dtype).eps)
    if not np.isfinite(first) or not np.allclose(sums, first, rtol=rounding, atol=0):
        return None
    plain = float(Fraction(float(first)).limit_denominator(_LARGEST_DENOMINATOR))
    return sums.dtype.type(plain) if abs(plain - first) <= rounding * abs(first) else first
