"""One partial derivative as the product of its factors, and the sum over its paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from chainrule.explanation.derivatives import Derivatives
from chainrule.explanation.formula import (
    Formula,
    Name,
    Total,
    concrete,
    numeric,
    numerics,
)
from chainrule.explanation.landmarks import Landmark
from chainrule.explanation.latex import escaped, to_display, to_latex
from chainrule.explanation.layout import Fenced, Layout, Row, Sign, equation, joined, operator, row
from chainrule.explanation.names import Names
from chainrule.explanation.paths import later_in, remainder, slope, summands
from chainrule.explanation.plain import to_text
from chainrule.explanation.printer import Printer, element_name, partial
from chainrule.graph.words import counted

Place = tuple[int, ...]
Write = Callable[[str], str]

#: So many terms of a sum are shown; the others are added up.
SHOWN = 6


@dataclass(frozen=True)
class Factor:
    """One factor: ∂a/∂z, or ∂L/∂a of what comes later, with its formula and its number.

    Attributes
    ----------
    printer : Printer
        Lays it out.
    name : str
        The element it is a derivative of, as Python writes it.
    own : Layout or None
        What it is called. Where the loss has a path of its own to the parameter, as a penalty does, beside
        those through the network, that path has no other name than its formula.
    told : callable
        Returns what it is computed by.
    value : float
        What it comes to.
    """

    printer: Printer
    name: str
    own: Layout | None
    told: Callable[[], Formula]
    value: float

    @cached_property
    def formula(self) -> Layout:
        """What it is computed by; of a sum of very many terms the largest, and the others as one."""
        return self.printer.layout(self.told())

    @cached_property
    def numbers(self) -> tuple[Layout, Layout]:
        """The same with numbers, and = or ≈, as it stands before their result."""
        return self.printer.with_numbers(self.told(), self.value)

    @property
    def left(self) -> Layout:
        """What it is called."""
        return self.formula if self.own is None else self.own

    @property
    def equation(self) -> Layout:
        """The factor = its formula."""
        return self.formula if self.left == self.formula else equation(self.left, self.formula)

    @property
    def line(self) -> Layout:
        """The factor = its formula = the same with numbers = its value; nothing twice."""
        numbers, sign = self.numbers
        value = self.printer.number(self.value)
        shown = {to_text(part): part for part in (numbers, self.formula, self.left)}
        before = [part for text, part in reversed(shown.items()) if text != to_text(value)]
        return row(joined(before, operator("=")), sign, value) if before else value

    def __str__(self) -> str:
        return to_text(self.line)

    def __repr__(self) -> str:
        return f"<Factor {self}>"

    def to_latex(self) -> str:
        """Return the line as LaTeX."""
        return to_latex(self.line)


@dataclass(frozen=True)
class Term:
    """One path: the product of its factors, the last one nearest to the parameter.

    Attributes
    ----------
    factors : tuple of Factor
        Their product is the term.
    onward : Why or None
        The first factor, as a product or sum of its own.
    """

    factors: tuple[Factor, ...]
    onward: Why | None

    @property
    def value(self) -> float:
        """The product of the factors."""
        return float(np.prod([factor.value for factor in self.factors]))

    @property
    def product(self) -> Layout:
        """The factors side by side."""
        shown = [_enclosed(factor.left) for factor in self.factors]
        return joined(shown, operator("·", r"\cdot"))

    def __str__(self) -> str:
        return f"{to_text(self.product)} = {self.factors[0].printer.text(self.value)}"

    def __repr__(self) -> str:
        return f"<Term {self}>"

    def expand(self) -> Why:
        """Return the first factor, the derivative by what comes later, as a product or sum of its own.

        Where that is the loss's own formula, it is told by it, as a single factor.

        Raises
        ------
        ValueError
            If the term is such a formula alone.
        """
        if self.onward is None:
            raise ValueError(
                f"{to_text(self.factors[0].left)} is computed by the formula that is shown, with no path "
                "through the network left; there is nothing to expand"
            )
        return self.onward


@dataclass(frozen=True)
class Why:
    """Why a partial derivative is what it is.

    Attributes
    ----------
    names : Names
        What stands for what.
    mark : Landmark
        The array.
    index : tuple of int
        The element.
    """

    names: Names
    mark: Landmark
    index: Place

    @property
    def name(self) -> str:
        """The element as Python writes it."""
        return element_name(self.mark.symbol.key, self.index)

    @property
    def left(self) -> Layout:
        """∂L/∂w."""
        return self.names.printer.symbol(self.names.derivative_symbol(self.mark), self.mark.value, self.index)

    @property
    def value(self) -> float:
        """The derivative as the training step computed it."""
        return float(self.names.numbers[self.names.recording.step.derivatives[self.mark.value]][self.index])

    @property
    def total(self) -> float:
        """The sum over the paths of the products of the factors."""
        return sum(term.value for term in self.terms)

    @cached_property
    def _formula(self) -> Formula:
        names_, value = self.names, self.names.recording.step.derivatives[self.mark.value]
        return names_.expander.terms(value, self.index, names_.derivative_stop)

    @cached_property
    def _paths(self) -> dict[Name | None, list[Formula]]:
        """What its formula adds up, by the later derivative; None is the path of the loss's own formula."""
        paths: dict[Name | None, list[Formula]] = {}
        for addend in summands(self._formula):
            for later in later_in(addend):
                paths.setdefault(later, []).append(addend)
            own = remainder(addend)
            if own is not None:
                paths.setdefault(None, []).append(own)
        return paths

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The paths, the largest first."""
        marks = {self.names.derivative_symbol(one).key: one for one in self.names.landmarks.listed}
        found = [
            self._direct(added, alone=len(self._paths) == 1)
            if later is None
            else self._through(later, _sum(added), marks)
            for later, added in self._paths.items()
        ]
        return tuple(sorted(found, key=lambda term: -abs(term.value)))

    def _direct(self, added: list[Formula], alone: bool) -> Term:
        """Return the path of the loss's own formula to the element: all of the derivative if it is alone."""
        whole, own = _sum(added), self.left if alone else None
        factor = Factor(self.names.printer, self.name, own, lambda: whole, float(numeric(whole)))
        return Term((factor,), None)

    def _through(self, later: Name, whole: Formula, marks: dict[str, Landmark]) -> Term:
        """Return the paths through a later element, as one."""
        printer = self.names.printer
        by = slope(whole, later)
        mark, index = marks[later.symbol.key], concrete(later.index or ())
        assert index is not None
        above = printer.symbol(mark.symbol, mark.value, index)
        below = printer.symbol(self.mark.symbol, self.mark.value, self.index)
        factor = Factor(printer, self.name, partial(above, below), lambda: by, float(numeric(by)))
        onward = Why(self.names, mark, index)
        first = onward.terms if onward.is_one_path else ()
        if first:
            return Term((*first[0].factors, factor), first[0].onward or onward)
        far = Factor(printer, onward.name, onward.left, onward.told, onward.value)
        return Term((far, factor), onward)

    def told(self) -> Formula:
        """Return what the derivative is computed by, as it is told; in a sum the largest terms come first."""
        formula = Derivatives(self.names).derivative(self.mark).element(self.index)
        if not isinstance(formula, Total) or formula.variable is not None:
            return formula
        number = numerics()
        return replace(formula, terms=tuple(sorted(formula.terms, key=lambda term: -abs(number(term)))))

    @cached_property
    def is_one_path(self) -> bool:
        """Whether there is a single product, and no sum."""
        return len(self._paths) == 1

    # Shown --------------------------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[Term, ...]:
        """The largest terms."""
        return self.terms[:SHOWN]

    @property
    def remainder(self) -> float:
        """The sum of the terms that are not shown."""
        return sum(term.value for term in self.terms[SHOWN:])

    @property
    def equation(self) -> Layout:
        """∂L/∂w = the sum of products."""
        (first, *others) = self.terms[:2] or (None,)
        if first and not others and first.factors[0].left == self.left:  # it is a formula, and no product
            return first.factors[0].equation
        products = [term.product for term in self.shown]
        if len(self.terms) > SHOWN:
            products.append(Sign("⋯", r"\cdots", "number"))
        total = joined(products, operator("+")) if products else self.names.printer.number(0.0)
        return equation(self.left, total)

    def _told(self, line: Callable[[Factor], str], path: Write, text: Write) -> Iterator[str]:
        """Yield the lines below the equation: each path with its factors, and what they come to."""
        number = self.names.printer.text
        for place, term in enumerate(self.shown, start=1):
            if len(self.terms) > 1:
                yield path(f"path {place}: {number(term.value)}")
            yield from map(line, term.factors)
        if len(self.terms) > SHOWN:
            others = counted(len(self.terms) - SHOWN, "smaller path", ",")
            yield path(f"{others}: {number(self.remainder)}")
        total, value = number(self.total), number(self.value)
        yield text(f"together {total}; the training step computed {value}")

    def __str__(self) -> str:
        told = self._told(lambda factor: f"    {factor}", "  {}".format, "  {}".format)
        return "\n".join([to_text(self.equation), *told])

    def __repr__(self) -> str:
        value = self.names.printer.text(self.value)
        return f"<Why {to_text(self.left)} = {value}, along {counted(len(self.terms), 'path', ',')}>"

    def to_latex(self) -> str:
        """Return the equation and the factors with their numbers as LaTeX, to stand in a document."""
        told = self._told(lambda factor: to_display(factor.line), escaped, escaped)
        return "\n\n".join([to_display(self.equation), *told])

    def to_dict(self) -> dict[str, object]:
        """Return the derivative, its paths and their factors as plain data, at full precision."""
        return {
            "name": self.name,
            "value": self.value,
            "total": self.total,
            "paths": [
                {
                    "value": term.value,
                    "factors": [
                        {
                            "formula": to_text(factor.equation),
                            "numbers": to_text(factor.numbers[0]),
                            "value": factor.value,
                        }
                        for factor in term.factors
                    ],
                }
                for term in self.terms
            ],
        }

    def to_markdown(self) -> str:
        """Return the equation and the factors with their numbers as Markdown with LaTeX formulas."""
        told = self._told(lambda factor: f"- ${factor.to_latex()}$", "\n{}\n".format, "\n{}".format)
        return "\n".join([f"$${to_latex(self.equation)}$$", "", *told])

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def _sum(terms: list[Formula]) -> Formula:
    return terms[0] if len(terms) == 1 else Total(tuple(terms))


def _enclosed(layout: Layout) -> Layout:
    """Put a formula that begins with a sign in parentheses, as it stands behind a +."""
    first = layout.items[0] if isinstance(layout, Row) else layout
    return Fenced("(", layout, ")") if isinstance(first, Sign) and first.text.startswith("−") else layout
