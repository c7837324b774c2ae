"""What is known of the values of a recorded step, and how a row of theirs is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explanation.data_sums import DataSum
from chainrule.explanation.formula import Apply, Formula, Number, Symbol
from chainrule.explanation.guards import unguarded
from chainrule.explanation.layout import word
from chainrule.explanation.printer import CONSTANTS
from chainrule.graph.types import BOOL, INT32, Array, is_float
from chainrule.graph.value import PRIMITIVES, Value

#: So many numbers that stand in the network itself are written out.
_MOST_CONSTANTS = 4


@dataclass(frozen=True)
class Known:
    """The values of a recorded step.

    Attributes
    ----------
    numbers : mapping of Value to array
        What every value of the step came to.
    fixed : set of Value
        Values that depend on no input: they are written as numbers.
    chosen : set of Value
        Conditions that depend on data alone: what they choose is chosen.
    sums : mapping of Value to DataSum
        Sums that are one number.
    """

    numbers: Mapping[Value, Array]
    fixed: set[Value]
    chosen: set[Value]
    sums: Mapping[Value, DataSum]

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the value's shape in this step."""
        return tuple(np.shape(self.numbers[value]))

    def operands(self, value: Value) -> tuple[Value, ...]:
        """Return the operands of a value; a product has none of the guards that were passed."""
        is_product = value.primitive is PRIMITIVES["multiply"]
        return unguarded(value, self.fixed, self.numbers) if is_product else value.operands

    def is_plain_cast(self, value: Value) -> bool:
        """Whether only the number of digits changes, or whole numbers stay what they are."""
        if value.primitive is not PRIMITIVES["cast"]:
            return False
        (x,) = value.operands
        is_whole = is_float(x.dtype) and value.dtype == INT32
        return (is_float(value.dtype) and x.dtype.kind in "fi") or (
            is_whole and np.array_equal(self.numbers[value], self.numbers[x])
        )


def only_number(array: Array) -> Number | None:
    """Return the number that all elements are; None where they differ, or there are none."""
    is_one = array.size and bool(np.all(array == array.flat[0]))
    return Number(array.flat[0]) if is_one else None


def is_sum(value: Value) -> bool:
    """Whether it is a sum over axes."""
    return value.primitive is PRIMITIVES["sum"]


def applied(value: Value, operands: tuple[Formula, ...], attributes: Mapping[str, Any]) -> Formula:
    """Return a row applied to formulas; what is true or false as a number is 1 or 0."""
    assert value.primitive is not None
    if value.primitive is PRIMITIVES["cast"] and is_float(value.dtype) and value.operands[0].dtype == BOOL:
        one, zero = (Number(value.dtype.type(number)) for number in (1, 0))
        return Apply(PRIMITIVES["where"], (*operands, one, zero), {})
    return Apply(value.primitive, operands, attributes)


def times(found: DataSum, told: Callable[[Value], Formula]) -> Formula:
    """Return what a sum comes to: its number, times its factor if it has one."""
    number = Number(found.number)
    if found.factor is None:
        return number
    return Apply(PRIMITIVES["multiply"], (number, told(found.factor)), {})


def constants(array: Array) -> Symbol:
    """Return how numbers that stand in the network itself are written."""
    written = [f"{item:g}" for item in array.ravel().tolist()[:_MOST_CONSTANTS]]
    if array.dtype == INT32 and array.size > _MOST_CONSTANTS:
        written.append("…")
    text = ", ".join(written) if array.size <= _MOST_CONSTANTS or array.dtype == INT32 else CONSTANTS
    return Symbol(word(text.replace("-", "−")), CONSTANTS)
