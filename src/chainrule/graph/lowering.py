"""The few kinds of `lower`: how a compiler computes a row, written through a builder that it hands over.

A compiler implements kinds and never looks at a primitive's name, so a new row of an existing kind needs no
change to it. Emitting functions see single elements: the builder's methods return opaque element values.

A kind says which elements are combined, and in which order they are added; where an order is not fixed here
(the additions of a `sum` and of a contraction), a compiler may choose one by the shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Element = Any  # whatever a builder's methods return: a register, an array of elements, ...
Index = tuple[Element, ...]

#: A builder's operations on elements of one dtype, which is the dtype of the result. Integers wrap around:
#: int32 in two's complement, uint32 modulo 2³². Their division goes toward zero, and modulo is its remainder.
ARITHMETIC = ("add", "subtract", "multiply", "divide", "modulo", "negative", "abs", "floor", "sqrt", "xor")
#: Those that give a bool. A comparison with NaN is false.
COMPARISONS = ("equal", "less", "less_equal")
#: Those on bools.
LOGIC = ("logical_and", "logical_or", "logical_not")
#: Those of a mathematics library, on floats; a few units in the last place from the evaluator's.
FUNCTIONS = (
    *("exp", "expm1", "log", "log2", "log10", "log1p", "power", "erf", "logistic"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh"),
)


class Builder(Protocol):
    """What a compiler offers to a row: arithmetic on single elements, as in C."""

    def constant(self, number: float, dtype: str) -> Element:
        """Return a number of this dtype."""

    def cast(self, x: Element, dtype: str) -> Element:
        """Convert as C does: floats to integers toward zero, int32 to uint32 modulo 2³², to bool by `!= 0`.

        A float that no int32 is near to gives any int32.
        """

    def dtype(self, x: Element) -> str:
        """Return the name of an element's dtype."""

    def is_number(self, x: Element) -> bool:
        """Whether an element is known beforehand, and is not NaN."""

    def index(self, axis: int) -> Element:
        """Return the position of the output element along an axis, int32."""

    def linear_index(self) -> Element:
        """Return the row-major position of the output element, uint32."""

    def size(self, dim: Any) -> Element:
        """Return a dimension, `rows` too, int32."""

    def select(self, condition: Element, x: Element, y: Element) -> Element:
        """Return x where the condition holds, otherwise y, NaN or not."""

    def multiply_high(self, x: Element, y: Element) -> Element:
        """Return the upper 32 bits of the product of two uint32."""

    def __getattr__(self, operation: str) -> Callable[..., Element]:
        """Return one of the operations ARITHMETIC, COMPARISONS, LOGIC and FUNCTIONS."""


@dataclass(frozen=True)
class Expression:
    """An output element from the operands' elements at the same place.

    ``emit(b, *elements, **attributes) -> element``. An operand of rank 0 is the same at every place; every
    other has the shape of the output.
    """

    emit: Callable[..., Element]


@dataclass(frozen=True)
class Reduction:
    """The elements of one operand along the attribute `axes` combined into one, in row-major order.

    ``start(b, dtype) -> accumulators`` for an operand of this dtype, ``combine(b, accumulators, element,
    position) -> accumulators``, ``finish(b, accumulators) -> element``; `position` counts the elements along
    the axes, int32. Over no elements, the result is finish(start). Where there is one accumulator, those of
    two parts are combined as an accumulator and an element are: a compiler may reduce parts side by side.
    Where it is said to be `added`, the result is the sum of those of two parts, which may then lie apart.
    """

    start: Callable[..., Sequence[Element]]
    combine: Callable[..., Sequence[Element]]
    finish: Callable[..., Element] = lambda b, accumulators: accumulators[0]
    added: bool = False


@dataclass(frozen=True)
class Reindex:
    """An output element copied from one place of one operand, or zero where no operand has it.

    ``sources(b, index, types, **attributes) -> [(index into the operand, condition or None), ...]``, one pair
    for each operand; `index` is the place of the output element, int32, and `types` the operands' types. The
    first operand whose condition holds is read, and no other: elsewhere its index may lie outside it. None
    holds everywhere.
    """

    sources: Callable[..., Sequence[tuple[Index, Element | None]]]


@dataclass(frozen=True)
class Gather:
    """Of operands (x, indices): whole slices `x[indices[i]]`.

    An index outside x gives NaN, and 0 for integers and bools.
    """


@dataclass(frozen=True)
class Scatter:
    """Of operands (indices, updates): slices `updates[i]` added to zeros at `indices[i]`, in row-major order.

    The attribute `size` is the number of slices of the result. An index outside it is dropped.
    """


@dataclass(frozen=True)
class Contraction:
    """Of operands (a, b) of one rank: products summed over the last axis of a and the last but one of b.

    The axes before the last two are equal in both and are kept.
    """


Lowering = Expression | Reduction | Reindex | Gather | Scatter | Contraction
