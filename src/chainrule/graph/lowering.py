"""The few kinds of `lower`: how a compiler computes a row, written through a builder that it hands over.

A compiler implements kinds and never looks at a primitive's name, so a new row of an existing kind needs no
change to it. Emitting functions see single elements: the builder's methods return opaque element values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Element = Any  # whatever a builder's methods return: a register, an array of elements, ...
Index = tuple[Element, ...]


class Builder(Protocol):
    """What a compiler offers to a row: arithmetic on single elements, as in C."""

    def constant(self, number: float, dtype: str) -> Element:
        """Return a number of this dtype."""

    def cast(self, x: Element, dtype: str) -> Element:
        """Convert as C does: floats to integers toward zero, anything to bool by `!= 0`."""

    def dtype(self, x: Element) -> str:
        """Return the name of an element's dtype."""

    def index(self, axis: int) -> Element:
        """Return the position of the output element along an axis, int32."""

    def linear_index(self) -> Element:
        """Return the row-major position of the output element, uint32."""

    def size(self, dim: Any) -> Element:
        """Return a dimension, `rows` too, int32."""

    def select(self, condition: Element, x: Element, y: Element) -> Element:
        """Return x where the condition holds, otherwise y."""

    def multiply_high(self, x: Element, y: Element) -> Element:
        """Return the upper 32 bits of the product of two uint32."""

    def __getattr__(self, operation: str) -> Callable[..., Element]:
        """Return another operation.

        Those of C: add, subtract, multiply, divide, modulo, negative, abs, floor, sqrt, equal, less,
        less_equal, logical_and, logical_or, logical_not, xor; and those of a mathematics library: exp,
        expm1, log, log1p, power, sin, cos, tanh, erf, logistic.
        """


@dataclass(frozen=True)
class Expression:
    """An output element from the operands' elements at the same place; operands of rank 0 are the same everywhere.

    ``emit(b, *elements, **attributes) -> element``
    """

    emit: Callable[..., Element]


@dataclass(frozen=True)
class Reduction:
    """The elements along `axes` combined into one.

    ``start(b, dtype) -> accumulators``, ``combine(b, accumulators, element, position) -> accumulators``,
    ``finish(b, accumulators) -> element``; `position` counts the elements along the axes, int32.
    """

    start: Callable[..., Sequence[Element]]
    combine: Callable[..., Sequence[Element]]
    finish: Callable[..., Element] = lambda b, accumulators: accumulators[0]


@dataclass(frozen=True)
class Reindex:
    """An output element copied from one place of one operand, or the fill (zero) where no operand has it.

    ``sources(b, index, types, **attributes) -> [(index into the operand, condition or None), ...]``, one pair
    for each operand; the first whose condition holds is taken, None holds everywhere.
    """

    sources: Callable[..., Sequence[tuple[Index, Element | None]]]


@dataclass(frozen=True)
class Gather:
    """Whole slices `x[indices[i]]`; an index outside x gives NaN (0 for integers and bools)."""


@dataclass(frozen=True)
class Scatter:
    """Slices added to the zero array of `size` at `indices`, in order; an index outside it is dropped."""


@dataclass(frozen=True)
class Contraction:
    """Products summed over the last axis of the first and the last but one of the second operand."""


Lowering = Expression | Reduction | Reindex | Gather | Scatter | Contraction
