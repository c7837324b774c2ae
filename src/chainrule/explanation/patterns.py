"""One formula for all elements of an array, with places left open, so that a page can fill them in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from chainrule.explanation.formula import Apply, Formula, Index, Name, Number, Total, Variable, is_open, names
from chainrule.explanation.layout import Layout, Mark, Row, number
from chainrule.explanation.mathml import elements
from chainrule.explanation.places import NotPlain
from chainrule.explanation.printer import MOST_TERMS, Printer, largest
from chainrule.explanation.quantity import Quantity
from chainrule.explanation.simplify import simplified
from chainrule.graph.notation import SUM

#: Of an array without a pattern, elements are written out up to so many letters in all.
MOST_WRITTEN = 300_000
#: So many terms of an array's sums are written, and of each sum at least so many: the page shows the largest,
#: and on demand all of them.
MOST_TERMS_WRITTEN, LEAST_LISTED = 4000, 64
#: What the page computes in a term of a sum (formulas.js).
CALCULATED = (
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "power",
    "exp",
    "log",
    "sqrt",
    "tanh",
    "abs",
)


class PatternPrinter(Printer):
    """Prints a variable as a place to be filled in, and a sum over one as its term.

    Parameters
    ----------
    quantity : Quantity
        What is printed.
    """

    def __init__(self, quantity: Quantity) -> None:
        super().__init__(quantity.names.recording.rows)
        self._most_listed = max(LEAST_LISTED, MOST_TERMS_WRITTEN // max(1, quantity.array.size))

    def _place(self, place: int | Variable) -> Layout:
        return number(hole(place))

    def _marked(self, layout: Layout, name: Name) -> Layout:
        return Mark(layout, self.place(name), "all" if name.index is None else "at")

    def _big_sum(self, total: Total, numbers: bool) -> tuple[Layout, int]:
        assert total.variable is not None
        layout, tightness = super()._big_sum(Total(total.terms), numbers)
        term = json.dumps(self._calculation(total.terms[0]), ensure_ascii=False)
        return Mark(layout, f"{total.variable.letter} {total.size} {term}", "sum"), tightness

    def _total(self, total: Total, numbers: bool) -> tuple[Layout, int]:
        if _is_pattern(total) or len(total.terms) <= MOST_TERMS:
            return super()._total(total, numbers)
        shown, others = largest(total.terms, self._numeric, self._most_listed)
        sizes, rest = ([float(self._numeric(term)) for term in some] for some in (shown, others))
        if not np.all(np.isfinite(sizes)):
            return super()._total(total, numbers)
        unlisted = sum(rest, total.rest or 0.0) if rest or total.rest is not None else None
        terms = [Row(tuple(self._added(term, numbers))) for term in shown]
        return Mark(Row(tuple(terms)), json.dumps([sizes, unlisted]), "terms"), SUM

    def _shown_of(self, formula: Apply) -> list[Formula]:
        if _is_pattern(formula) and len(formula.operands) > MOST_TERMS:
            raise NotPlain  # which ones are shown depends on the place
        return super()._shown_of(formula)

    def _calculation(self, formula: Formula) -> Any:
        """Return what the page has to compute for a term, to find the largest ones: [operation, ...]."""
        match formula:
            case Number(value) if np.isfinite(value):
                return float(value)
            case Name():
                return self.place(formula)
            case Apply(primitive, operands, _, 0) if primitive.name in CALCULATED:
                return [primitive.name, *map(self._calculation, operands)]
        raise NotPlain

    def place(self, name: Name) -> str:
        """Return where an element stands, with holes."""
        index = name.index or ()
        return f"{name.symbol.key}[{', '.join(map(hole, index))}]" if index else name.symbol.key


def _is_pattern(formula: Formula) -> bool:
    """Whether a formula is one for several elements."""
    return any(is_open(name.index or ()) for name in names(formula))


def hole(place: int | Variable) -> str:
    """Return a place, or a mark that says which variable it is."""
    return f"⟦{place.letter}⟧" if isinstance(place, Variable) else str(place)


def name_pattern(quantity: Quantity) -> str:
    """Return the name of an element as MathML with holes."""
    return elements(PatternPrinter(quantity).symbol(quantity.symbol, quantity.value, _any_place(quantity)))


def _any_place(quantity: Quantity) -> Index:
    """Return an index of variables, each named by its axis."""
    return tuple(Variable(str(axis)) for axis in range(quantity.array.ndim))


def pattern(quantity: Quantity) -> str | None:
    """Return the formula of any element as MathML with holes; None where the elements differ in more."""
    try:
        formula = simplified(quantity.element(_any_place(quantity)))
        return elements(PatternPrinter(quantity).layout(formula))
    except NotPlain:
        return None


def written_out(quantity: Quantity) -> dict[str, str]:
    """Return the formulas of the elements as MathML, by their places, ``"0,1"``: the first of very many."""
    printer = PatternPrinter(quantity)
    written: dict[str, str] = {}
    length = 0
    for place in quantity.places():
        if length > MOST_WRITTEN:
            break
        text = elements(printer.layout(quantity.element(place)))
        written[",".join(map(str, place))] = text
        length += len(text)
    return written
