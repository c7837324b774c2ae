"""Formulas become layouts by the rows' notation: who needs parentheses, and which subscripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.explanation.constants import constant
from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Looked,
    Name,
    Number,
    Place,
    Symbol,
    Total,
    Variable,
    applies,
    is_open,
    numeric,
    numerics,
    rounded,
)
from chainrule.explanation.layout import (
    Fenced,
    Fraction,
    Layout,
    Mark,
    Row,
    Script,
    Sign,
    filled,
    letter,
    listed,
    number,
    operator,
    parse,
    row,
    with_scripts,
    word,
)
from chainrule.explanation.plain import to_text
from chainrule.graph.lowering import Contraction
from chainrule.graph.notation import ATOM, PREFIX, PRODUCT, RELATION, SUM, Notation
from chainrule.graph.types import ROWS
from chainrule.graph.value import PRIMITIVES, Value

#: More terms than this are not written out: the largest stand for them, beside the sum of the others.
MOST_TERMS, LARGEST = 6, 4
#: Where numbers cancel out, so many digits are tried until the equation is true to this part of its result.
MORE_DIGITS, TRUE = (9, 12, 15), 1e-5
#: The key of numbers that stand in the network itself: they came from nowhere else.
CONSTANTS = "constants"


class Printer:
    """Lays formulas out.

    Parameters
    ----------
    rows : int
        How many rows the step had; where there is one, it is not counted in subscripts.
    digits : int
        Significant digits of numbers.
    """

    def __init__(self, rows: int, digits: int = 6) -> None:
        self.rows = rows
        self.digits = digits
        self._numeric = numerics()

    def symbol(self, symbol: Symbol, value: Value | None = None, index: Index | None = None) -> Layout:
        """Return a name with its subscripts: z₀, ∂L/∂z₀."""
        places = [] if index is None or value is None else self._places(value, index)
        above = below = places
        if symbol.pairs and places:
            above, below = places[:-1], [*places[:-2], places[-1]]
        base = _below(symbol.layout, below)
        if symbol.over is not None:
            return partial(_below(symbol.over, above), base)
        return partial(letter("L"), base) if symbol.derivative else base

    def _places(self, value: Value, index: Index) -> list[Layout]:
        return [
            self._place(place)
            for dim, place in zip(value.shape, index, strict=True)
            if not (dim is ROWS and self.rows == 1)
        ]

    def number(self, value: Any) -> Layout:
        """Return a number to so many significant digits."""
        return self._number(value)[0]

    def text(self, value: Any) -> str:
        """Return a number as plain text."""
        return to_text(self.number(value))

    def _number(self, value: Any) -> tuple[Layout, int]:
        """Return a number and how tightly it binds."""
        if isinstance(value, bool | np.bool_):
            return word("true" if value else "false"), ATOM
        written = format(float(value) + 0.0, f".{self.digits}g")  # -0 + 0 is 0
        mantissa, _, exponent = written.replace("-", "−").partition("e")
        if not exponent:
            return number(mantissa), SUM if mantissa.startswith("−") else ATOM
        power = number(exponent.replace("+", "").replace("−0", "−").lstrip("0"))
        ten = Script(number("10"), None, power)
        if mantissa == "1":
            return ten, PRODUCT
        whole = row(number(mantissa), operator("·", r"\cdot"), ten)
        return whole, SUM if mantissa.startswith("−") else PRODUCT

    def _constant(self, value: Any) -> tuple[Layout, int]:
        """Return a number that is part of the formula, written in full where that is short: 1/3."""
        written = self._in_full(value)
        if written is None:
            return self._number(value)
        layout = parse(written)
        return (row(operator("−", "-"), layout), SUM) if value < 0 else (layout, PRODUCT)

    def _in_full(self, value: Any) -> str | None:
        """Return how the size of a constant is written where digits do not tell it in full."""
        return constant(abs(value), self.digits) if np.ndim(value) == 0 else None

    def layout(self, formula: Formula, numbers: bool = False) -> Layout:
        """Return a formula with the names of its elements, or with their numbers put in."""
        self._numeric = numerics()
        return self._printed(formula, numbers)[0]

    def with_numbers(self, formula: Formula, value: Any) -> tuple[Layout, Layout]:
        """Return a formula with as many digits of its numbers as give the value, and = or, if none do, ≈."""
        for digits in (self.digits, *MORE_DIGITS):
            printer = Printer(self.rows, digits)
            by_chance = not Printer(self.rows, digits + 1).gives(formula, value)
            if printer.gives(formula, value) and not by_chance:
                return printer.layout(formula, numbers=True), operator("=")
        return self.layout(formula, numbers=True), operator("≈", r"\approx")

    def gives(self, formula: Formula, value: Any) -> bool:
        """Whether a formula's numbers, rounded as they are written, give the value."""

        def written(number: Any) -> Any:
            is_float = np.ndim(number) == 0 and isinstance(number, float | np.floating)
            return np.float64(f"{number:.{self.digits}g}") if is_float else number

        def own(number: Any) -> Any:
            return number if self._in_full(number) else written(number)

        if isinstance(value, bool | np.bool_) or not np.isfinite(value):
            return True
        found = float(numeric(rounded(formula, written, own)))
        return abs(found - float(value)) <= TRUE * abs(float(value))

    def _printed(self, formula: Formula, numbers: bool) -> tuple[Layout, int]:  # noqa: PLR0911  (one for each)
        match formula:
            case Number(value):
                return self._constant(value)
            case Name(symbol, value, index, known):
                if numbers and known is not None:
                    layout, tightness = self._number(known)
                else:
                    layout = self.symbol(symbol, value, index)
                    tightness = PREFIX if isinstance(layout, Fraction) else ATOM
                if index is None and symbol.key == CONSTANTS:
                    return layout, SUM if "," in to_text(layout) else tightness
                return self._marked(layout, formula), tightness
            case Place(variable):
                return self._place(variable), ATOM
            case Total(variable=None):
                return self._total(formula, numbers)
            case Total():
                return self._big_sum(formula, numbers)
        return self._applied(formula, numbers)

    def _big_sum(self, total: Total, numbers: bool) -> tuple[Layout, int]:
        (term,) = total.terms
        if total.variable is None:
            return self._operand(term, SUM, numbers), SUM
        big = Script(Sign("∑", r"\sum", "big"), letter(total.variable.letter))
        summed = self._operand(term, PRODUCT, numbers)
        return row(big, Fenced("(", summed, ")") if _has_minus(summed) else summed), PRODUCT

    def _marked(self, layout: Layout, name: Name) -> Layout:
        """Return the layout with where it came from; what stands for any element is from the whole array."""
        if name.index is None or is_open(name.index):
            return Mark(layout, name.symbol.key, "all")
        return Mark(layout, self.place(name), "at")

    def _place(self, place: int | Variable) -> Layout:
        if isinstance(place, Looked):
            return self._printed(place.formula, numbers=False)[0]
        return letter(place.letter) if isinstance(place, Variable) else number(str(place))

    def place(self, name: Name) -> str:
        """Return where an element stands, as Python writes it: ``layers.0.weight[1, 0]``."""
        return element_name(name.symbol.key, name.index or ())

    def _applied(self, formula: Apply, numbers: bool) -> tuple[Layout, int]:
        if formula.primitive.name == "add":
            added, taken = formula.operands
            if applies(taken, "negative"):  # a + (-b) is a - b
                formula = Apply(PRIMITIVES["subtract"], (added, taken.operands[0]), {})
        notation = formula.primitive.notation
        if formula.gathered:
            shown = self._shown_of(formula)
            elements = [self._printed(operand, numbers)[0] for operand in shown]
            elements += [operator("…", r"\dots")] if len(shown) < formula.gathered else []
            return row(word(formula.primitive.name), Fenced("(", listed(elements), ")")), ATOM
        if notation.template == "<0>":
            return self._printed(formula.operands[0], numbers)
        needed = notation.operands
        if _is_matrix_product(formula) and not _is_matrix_product(formula.operands[0]):
            needed = (PREFIX,)  # a · b C could be read as a · (b C)
        slots = {
            str(i): self._operand(operand, needed[min(i, len(needed) - 1)], numbers)
            for i, operand in enumerate(formula.operands)
        }
        is_side_by_side = notation.precedence == PRODUCT and notation.template.startswith("<0>")
        if is_side_by_side and _is_big(slots["0"]) and len(slots) > 1:
            slots["0"] = Fenced("(", slots["0"], ")")  # what stands behind a sum would seem to be summed, too
        last = str(len(formula.operands) - 1)
        if (_is_between(notation) or _is_over(notation)) and slots and _has_minus(slots[last]):
            slots[last] = Fenced("(", slots[last], ")")
        slots["*"] = listed(slots.values())
        slots |= {name: self._attribute(item) for name, item in formula.attributes.items()}
        return filled(parse(notation.template), slots), notation.precedence

    def _shown_of(self, formula: Apply) -> list[Formula]:
        """Return the elements to be listed: of many those nearest to the result, as a largest one is."""
        if len(formula.operands) <= MOST_TERMS:
            return list(formula.operands)
        result = float(self._numeric(formula))
        far = [abs(float(self._numeric(operand)) - result) for operand in formula.operands]
        nearest = sorted(sorted(range(len(far)), key=far.__getitem__)[:LARGEST])
        return [formula.operands[i] for i in nearest]

    def _attribute(self, item: Any) -> Layout:
        if isinstance(item, tuple):
            return listed(map(self._attribute, item))
        if item is ROWS:
            return number(str(self.rows))
        if isinstance(item, int | float):
            return number(f"{item:g}".replace("-", "−"))
        return letter(str(item)) if len(str(item)) == 1 else word(str(item))

    def _operand(self, formula: Formula, tightness: int, numbers: bool) -> Layout:
        layout, own = self._printed(formula, numbers)
        return layout if own >= tightness else Fenced("(", layout, ")")

    def _total(self, total: Total, numbers: bool) -> tuple[Layout, int]:
        shown, rest = largest(total.terms, self._numeric)
        parts: list[Layout] = []
        for term in shown:
            parts += (
                self._added(term, numbers) if parts else [operator("+"), self._operand(term, SUM, numbers)]
            )
        if rest or total.rest is not None:
            others = sum((float(self._numeric(term)) for term in rest), total.rest or 0.0)
            dots = Mark(Sign("⋯", r"\cdots", "number"), repr(others), "rest")
            layout, own = self._number(others) if numbers else (dots, ATOM)
            parts += [operator("+"), layout if own > SUM else Fenced("(", layout, ")")]
        return row(*parts[1:]), SUM

    def _added(self, term: Formula, numbers: bool) -> list[Layout]:
        """Return a term as it stands behind others: its sign, and the rest of it."""
        if applies(term, "negative"):
            return [operator("−", "-"), self._operand(term.operands[0], SUM + 1, numbers)]
        layout = self._operand(term, SUM + 1, numbers)
        return [operator("+"), Fenced("(", layout, ")") if _has_minus(layout) else layout]


def _is_matrix_product(formula: Formula) -> bool:
    return isinstance(formula, Apply) and isinstance(formula.primitive.lower, Contraction)


def _is_between(notation: Notation) -> bool:
    """Whether a sign stands between two operands, which a minus behind it would run into."""
    is_relation = notation.precedence == RELATION
    return not is_relation and notation.template.startswith("<0> ") and notation.template.endswith(" <1>")


def _is_over(notation: Notation) -> bool:
    """Whether it is a sum, or the like, over all places."""
    return notation.template.startswith((r"\sum_", r"\max_", r"\min_"))


def _has_minus(layout: Layout) -> bool:
    """Whether it is written with a minus at its beginning."""
    return to_text(layout).startswith("−")


def _is_big(layout: Layout) -> bool:
    """Whether it is a sum over an index."""
    first = layout.items[0] if isinstance(layout, Row) else None
    base = first.base if isinstance(first, Script) else None
    return isinstance(base, Sign) and base.kind == "big"


def partial(above: Layout, below: Layout) -> Layout:
    """Return ∂a/∂z."""
    sign = Sign("∂", r"\partial")
    return Fraction(row(sign, above), row(sign, below))


def _below(base: Layout, places: Sequence[Layout]) -> Layout:
    """Return a letter with subscripts, after those that it has."""
    if not places:
        return base
    old = with_scripts(base)
    before = [] if old.below is None else [old.below]
    return Script(old.base, listed([*before, *places]), old.above)


def largest(
    terms: Sequence[Formula], numeric: Callable[[Formula], Any], most: int = LARGEST
) -> tuple[list[Formula], list[Formula]]:
    """Return so many terms to be written out, in their order, and those that are only summed up."""
    if len(terms) <= max(MOST_TERMS, most):
        return list(terms), []
    sizes = [abs(float(numeric(term))) for term in terms]
    chosen = set(sorted(range(len(terms)), key=lambda i: -sizes[i])[:most])
    return [terms[i] for i in sorted(chosen)], [term for i, term in enumerate(terms) if i not in chosen]


def element_name(key: str, index: Index) -> str:
    """Return an array's name with an index."""
    places = (place.letter if isinstance(place, Variable) else str(place) for place in index)
    return f"{key}[{', '.join(places)}]" if index else key
