"""An array as a formula of arrays."""

from __future__ import annotations

import math

import numpy as np

from chainrule.explanation.formula import Apply, Formula, Name, Stop
from chainrule.explanation.known import Known, applied, constants, is_sum, only_number, times
from chainrule.graph.lowering import Reduction
from chainrule.graph.types import ROWS
from chainrule.graph.value import PRIMITIVES, Value


class Arrays:
    """Writes arrays down to values that have a name, and to numbers that depend on no input.

    Parameters
    ----------
    known : Known
        The values of the step.
    stop : Stop
        Tells the names.
    """

    def __init__(self, known: Known, stop: Stop) -> None:
        self.known = known
        self.stop = stop
        self._found: dict[Value, Formula] = {}

    def formula(self, value: Value, top: bool = False) -> Formula:
        """Return an array's formula; what it needs in several places is one formula there."""
        if value not in self._found:
            self._found[value] = self._whole(value, top)
        return self._found[value]

    def _whole(self, value: Value, top: bool) -> Formula:  # noqa: PLR0911  (one for each)
        symbol = None if top else self.stop(value)
        if symbol:
            return Name(symbol, value)
        numbers = self.known.numbers[value]
        same = only_number(numbers) if value in self.known.fixed or value in self.known.chosen else None
        if same is not None:
            return same
        if value in self.known.sums:
            return times(self.known.sums[value], self.formula)
        if value.primitive is None:
            return Name(constants(numbers), value)
        operands = tuple(self.formula(operand) for operand in self.known.operands(value))
        if self.known.is_plain_cast(value) or value.primitive.notation.template == "<0>":
            return operands[0]
        if value.primitive is PRIMITIVES["permute_dims"]:
            return _permuted(value, operands[0])
        attributes = value.attributes
        if isinstance(value.primitive.lower, Reduction):
            if is_sum(value) and math.prod(np.shape(self.known.numbers[value.operands[0]])) == numbers.size:
                return operands[0]
            letters = self._summed_axes(value)
            if not letters:
                return operands[0]
            attributes = {"axes": letters}
        return applied(value, operands, attributes)

    def _summed_axes(self, value: Value) -> tuple[str, ...]:
        """Return the letters of what a reduction runs over.

        A product that adds up over the rows for each place of an axis, as in ∂L/∂W where W is applied at
        several places of a row, is written as one that adds up over the last of these axes for each row.
        """
        (x,), axes = value.operands, value.attributes["axes"]
        letters = tuple(_axis_letter(x, axis) for axis in axes)
        is_stack = x.primitive is PRIMITIVES["matmul"] and axes == tuple(range(x.ndim - 2))
        if not is_stack or x.operands[0].shape[-1] is not ROWS:
            return letters
        return (*("n" * (self.known.shape(x.operands[0])[-1] > 1)), *letters[:-1])


def _permuted(value: Value, formula: Formula) -> Formula:
    """Return an array with its axes in another order: as it is where only the rows move; (xᵀ)ᵀ is x.

    The axes are told, unless the last two change places: x^T.
    """
    (x,), axes = value.operands, value.attributes["axes"]
    *leading, first, second = axes
    is_transpose = [*leading, second, first] == sorted(axes)
    others = [axis for axis in axes if x.shape[axis] is not ROWS]
    if not is_transpose and others == sorted(others):
        return formula
    match formula:
        case Apply(primitive, (inner,), {"axes": ()}) if is_transpose and primitive is value.primitive:
            return inner
    return Apply(PRIMITIVES["permute_dims"], (formula,), {"axes": () if is_transpose else str(axes)})


def _axis_letter(x: Value, axis: int) -> str:
    """Return the letter of an axis: n for the rows, j, k, l, ... for the others."""
    return "n" if x.shape[axis] is ROWS else "ijklm"[axis % 5]
