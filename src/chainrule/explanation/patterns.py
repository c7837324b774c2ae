"""One formula for all elements of an array, with places left open, so that a page can fill them in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from chainrule.explanation.elements import NotPlain
from chainrule.explanation.formula import Apply, Formula, Index, Name, Total, Variable
from chainrule.explanation.layout import Layout, Mark, number
from chainrule.explanation.mathml import elements
from chainrule.explanation.printer import Printer
from chainrule.explanation.quantity import Quantity
from chainrule.explanation.simplify import simplified
from chainrule.graph.types import ROWS
from chainrule.graph.value import Value

#: Of an array without a pattern, so many elements are written out.
MOST_WRITTEN = 64


class PatternPrinter(Printer):
    """Prints a variable as a place to be filled in, and a sum over one as its term."""

    def _places(self, value: Value, index: Index) -> list[Layout]:
        return [
            number(hole(place))
            for dim, place in zip(value.shape, index, strict=True)
            if not (dim is ROWS and self.rows == 1)
        ]

    def _big_sum(self, total: Total, numbers: bool) -> tuple[Layout, int]:
        if not is_product_of_names(total.terms[0]):
            raise NotPlain
        assert total.variable is not None
        layout, tightness = super()._big_sum(Total(total.terms), numbers)
        return Mark(layout, f"{total.variable.letter} {total.size}", "sum"), tightness

    def place(self, name: Name) -> str:
        """Return where an element stands, with holes."""
        index = name.index or ()
        return f"{name.symbol.key}[{', '.join(map(hole, index))}]" if index else name.symbol.key


def hole(place: int | Variable) -> str:
    """Return a place, or a mark that says which variable it is."""
    return f"⟦{place.letter}⟧" if isinstance(place, Variable) else str(place)


def is_product_of_names(formula: Formula) -> bool:
    """Whether a term is a named element or a product of such."""
    if isinstance(formula, Apply):
        return formula.primitive.name == "multiply" and all(map(is_product_of_names, formula.operands))
    return isinstance(formula, Name)


def name_pattern(quantity: Quantity) -> str:
    """Return the name of an element as MathML with holes."""
    printer = PatternPrinter(quantity.names.recording.rows)
    index = tuple(Variable(str(axis)) for axis in range(quantity.array.ndim))
    return elements(printer.symbol(quantity.symbol, quantity.value, index))


def pattern(quantity: Quantity) -> str | None:
    """Return the formula of any element as MathML with holes; None where the elements differ in more."""
    printer = PatternPrinter(quantity.names.recording.rows)
    index = tuple(Variable(str(axis)) for axis in range(quantity.array.ndim))
    try:
        return elements(printer.layout(simplified(quantity.element(index))))
    except NotPlain:
        return None


def written_out(quantity: Quantity) -> dict[str, str]:
    """Return the formulas of the first elements as MathML, by their places: ``"0,1"``."""
    printer = PatternPrinter(quantity.names.recording.rows)
    places: Sequence[Any] = list(itertools.islice(quantity.places(), MOST_WRITTEN))
    return {",".join(map(str, at)): elements(printer.layout(quantity.element(at))) for at in places}
