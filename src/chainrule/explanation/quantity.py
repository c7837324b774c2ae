"""Quantity: a named array with the formula it is computed by, whole and element by element."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Name,
    Number,
    Stop,
    Symbol,
    Variable,
    concrete,
    names,
    parts_of,
    substituted,
)
from chainrule.explanation.layout import Layout, equation, operator, row
from chainrule.explanation.names import Names
from chainrule.explanation.places import NotPlain
from chainrule.explanation.plain import to_text
from chainrule.explanation.printer import element_name
from chainrule.explanation.simplify import simplified
from chainrule.graph.lowering import Gather, Scatter
from chainrule.graph.types import ROWS, Array
from chainrule.graph.value import PRIMITIVES, Value


@dataclass(frozen=True)
class ElementLine:
    """One element: its name, its formula, the formula with the numbers put in, and what it comes to.

    Attributes
    ----------
    name : str
        As Python writes it: ``layers.0.z[0, 1]``.
    left, formula, numbers : Layout
        z₁, what it is computed from, and the same with numbers.
    value : float
        The number; of what is true or false that.
    sign : Layout
        What stands before it: =, or ≈ where the numbers cancel out but for a rest of rounding.
    """

    name: str
    left: Layout
    formula: Layout | None
    numbers: Layout | None
    value: float
    sign: Layout


@dataclass(frozen=True)
class Product:
    """What a derivative is by the chain rule: ∂L/∂z = ∂L/∂a · ∂a/∂z.

    Attributes
    ----------
    later : Name
        ∂L/∂a.
    slope : Quantity
        ∂a/∂z.
    """

    later: Name
    slope: Quantity


@dataclass(frozen=True)
class Quantity:
    """A value of the step that has a name.

    Attributes
    ----------
    names : Names
        What stands for what.
    value : Value
        What it is.
    symbol : Symbol
        Its own name.
    stop : callable or None
        The names of what it is computed from; None for what is given.
    handed : Symbol or None
        Set where it is another named value unchanged.
    product : Product or None
        What its formula is where it comes to that, and would name ∂L/∂a several times.
    first : Quantity or None
        What is handed on, where its formula is to be told again.
    """

    names: Names
    value: Value
    symbol: Symbol
    stop: Stop | None = None
    handed: Symbol | None = None
    product: Product | None = None
    first: Quantity | None = None

    @property
    def array(self) -> Array:
        """What it came to."""
        return self.names.numbers[self.value]

    @property
    def left(self) -> Layout:
        """Its name in formulas."""
        return self.names.printer.symbol(self.symbol)

    @cached_property
    def formula(self) -> Formula | None:
        """What the whole array is computed from."""
        if self.handed:
            return Name(self.handed, self.value)
        if self.stop is None or self.symbol.pairs:  # of pairs of units, each is written by itself
            return None
        formula = self.names.expander.array(self.value, self.stop)
        return self._as_product(formula, None) or formula

    @cached_property
    def by_place(self) -> tuple[Index, Formula] | None:
        """Letters for its places, and the formula with them where places count, as for a one-hot target."""
        if self.formula is None or self.stop is None or not _counts(self.formula):
            return None
        others = iter("kjilm")
        letters = ["n" if dim is ROWS else next(others) for dim in self.value.shape]
        sizes = zip(letters, self.array.shape, strict=True)
        index = tuple(0 if size == 1 else Variable(letter) for letter, size in sizes)
        try:
            return index, self.names.expander.by_place(self.value, index, self.stop)
        except NotPlain:
            return None

    @property
    def equation(self) -> Layout:
        """Its name = its formula."""
        if self.formula is None:
            return self.left
        if self.by_place:
            index, formula = self.by_place
            left = self.names.printer.symbol(self.symbol, self.value, index)
            return equation(left, self.names.printer.layout(formula))
        right = self.first.equation if self.first else self.names.printer.layout(self.formula)
        return equation(self.left, right)

    def element(self, index: Index) -> Formula:
        """Return the formula of one element."""
        if self.handed:
            at = concrete(index)
            return Name(self.handed, self.value, index, None if at is None else self.array[at])
        assert self.stop is not None
        formula = self.names.expander.element(self.value, index, self.stop)
        return self._as_product(formula, index) or formula

    def _as_product(self, formula: Formula, index: Index | None) -> Formula | None:
        """Return ∂L/∂a · ∂a/∂z, if the formula with 1 in the place of ∂L/∂a is that of ∂a/∂z."""
        if self.product is None:
            return None
        later, slope = self.product.later, self.product.slope
        if sum(name.symbol == later.symbol for name in names(formula)) < 2:
            return None
        one = Number(slope.array.dtype.type(1))
        rest = simplified(substituted(formula, lambda name: one if name.symbol == later.symbol else name))
        if rest != (slope.formula if index is None else slope.element(index)):
            return None
        at = None if index is None else concrete(index)
        factors = [
            Name(one.symbol, one.value, index, None if at is None else one.names.numbers[one.value][at])
            for one in (Quantity(self.names, later.value, later.symbol), slope)
        ]
        return Apply(PRIMITIVES["multiply"], tuple(factors), {})

    def line(self, index: tuple[int, ...]) -> ElementLine:
        """Return one element with its formula and its numbers."""
        printer = self.names.printer
        left = printer.symbol(self.symbol, self.value, index)
        formula = self.element(index) if self.stop or self.handed else None
        value = self.array[index].item()
        numbers, sign = printer.with_numbers(formula, value) if formula else (None, operator("="))
        shown = printer.layout(formula) if formula else None
        return ElementLine(element_name(self.symbol.key, index), left, shown, numbers, value, sign)

    def places(self, most: int | None = None) -> Iterator[tuple[int, ...]]:
        """Yield the places of the elements; of a large array only so many."""
        return itertools.islice(np.ndindex(self.array.shape), most)


def _counts(formula: Formula) -> bool:
    """Whether the places of its elements are in a formula: 0, 1, 2, ..., or where each is taken or added."""
    if isinstance(formula, Apply) and _tells_places(formula):
        return True
    return any(map(_counts, parts_of(formula)))


def _tells_places(formula: Apply) -> bool:
    primitive = formula.primitive
    if isinstance(primitive.lower, Gather):
        return not all(isinstance(operand, Name) for operand in formula.operands)  # W_x is plain enough
    is_permuted = primitive.name == "permute_dims" and formula.attributes["axes"] != ()
    return is_permuted or primitive.name in ("iota", "slice") or isinstance(primitive.lower, Scatter)


def whole(line: ElementLine, names: Names, answers: bool = True) -> Layout:
    """Return left = formula = numbers = value; without answers, left = formula = and a place to write."""
    parts: list[Layout] = [line.left]
    value = names.printer.number(line.value)
    shown = (line.formula, line.numbers) if answers else (line.formula,)
    for part in dict.fromkeys(part for part in shown if part is not None):
        if to_text(part) != to_text(value):  # a formula that is the number itself is not written twice
            parts += [operator("="), part]
    blank = operator("______", r"\underline{\qquad\qquad}")
    return row(*parts, line.sign, value) if answers else row(*parts, operator("="), blank)
