"""The rules by the names that the story gives them, and what else it says of a formula."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from chainrule.explanation.formula import Apply, Formula, Name, Number, names, parts_of
from chainrule.explanation.landmarks import is_transparent
from chainrule.explanation.plain import to_text
from chainrule.explanation.quantity import Quantity
from chainrule.graph.primitive import primitive_name

#: A step of the story: its stage, its part of the network, its title, its rule, and what is computed.
Told: TypeAlias = tuple[str, str, str, str, Quantity]

#: The rules of differentiation, as they are named.
CHAIN = "chain rule"
PATHS = "chain rule, and sum over paths: it acts on the loss through several values, and their effects add up"
SPREAD = "broadcast ↔ sum: it was repeated for every row, so its derivative is the sum over the rows"
ONE_ROW = "broadcast ↔ sum: every row uses it, and here there is one, so there is nothing to add up"
WITHIN = "broadcast ↔ sum: it was repeated within each row, so its derivative is the sum over these places"
PLACES = "broadcast ↔ sum: it was repeated in every row and within it, so its derivative is the sum over both"
SLOPE = "f′, the derivative of the activation with respect to what it is applied to"
PAIRS = f"{SLOPE}: of each unit by each, as it takes all of them together"
HANDED = "handed on unchanged"
NOTHING = "the loss does not depend on it"
SOFTMAX = "the share of each power in the sum of all: the derivative of the logarithm of that sum"

LAID_OUT = "the same numbers, laid out in another shape"
SINGLE = "a sum of one number"
KEPT = "kept as it is: the factor of its learning rate is 0"
NO_ROW = "kept as it is: no row counts"
#: What is only moved, and how that is written; by the primitive's name.
MOVES = {
    "slice": "a subscript a : b is the part from place a up to b, b left out",
    "concat": "concat puts its parts side by side",
    "take": "a subscript takes the elements at these places",
    "scatter_add": "take ↔ sum: k was taken at these places, so its derivative is the sum over them",
    "pad": "slice ↔ pad: 0 where nothing was taken",
}
STEP = ", the number of updates before this one"
STOPPED = "stop: it counts as a constant, and no derivative is handed on through it"


def values_of(quantity: Quantity) -> str:
    """Return the plain numbers in a formula: η = 0.5, μ = 0.9."""
    found = []
    for name in numbers_in(quantity).values():
        written = to_text(quantity.names.printer.number(quantity.names.numbers[name.value]))
        what = STEP if name.symbol.key == "step" else ""
        found.append(f"{to_text(name.symbol.layout)} = {written}{what}")
    return ", ".join(found)


def numbers_in(quantity: Quantity) -> dict[str, Name]:
    """Return the given numbers in a formula by their keys: ``task.optimizer.momentum``."""
    return {
        name.symbol.key: name
        for name in names(quantity.formula or Number(0.0))
        if name.value.name
        and not quantity.names.numbers[name.value].ndim
        and quantity.names.landmark(name.value) is None
    }


def moves(quantity: Quantity) -> list[str]:
    """Say how it is written, in a quantity's formula, that elements are only moved."""
    value, found = quantity.value, set(_rows_in(quantity.formula))
    while is_transparent(value):
        found.add(primitive_name(value))
        (value,) = value.operands
    if "slice" in found and quantity.by_place:  # then it is written as what is taken
        found = found - {"slice"} | {"take"}
    return [told for name, told in MOVES.items() if name in found]


def _rows_in(formula: Formula | None) -> Iterator[str]:
    """Yield the names of the primitives that are applied in a formula."""
    if isinstance(formula, Apply):
        yield formula.primitive.name
    for part in () if formula is None else parts_of(formula):
        yield from _rows_in(part)
