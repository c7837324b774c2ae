"""Formulas: what a number, or an array, is computed from, down to things that have a name.

    formula = Number | Name | Apply(primitive, operands) | Total(terms) | Place(variable)

A `Name` stands for a named array or, with an index, for one element of it. A `Place` is where an element
stands: k in t_k = {1 if y = k, 0 otherwise}.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.explanation.layout import Layout
from chainrule.graph.primitive import Primitive
from chainrule.graph.value import Value


@dataclass(frozen=True)
class Variable:
    """An index that stands for every place along an axis: i in Σ_i x_i."""

    letter: str


@dataclass(frozen=True)
class Looked(Variable):
    """A place that is looked up, by its formula: x_(n,0) in W_(x_(n,0),j)."""

    formula: Any = field(hash=False)  # its attributes are in a dict


Index = tuple[int | Variable, ...]


@dataclass(frozen=True)
class Symbol:
    """The name of an array in formulas.

    Attributes
    ----------
    layout : Layout
        The letter with its layer; where `derivative` is set, ∂L is written over it.
    derivative : bool
        Whether it is the derivative of the loss by what the letter stands for.
    over : Layout or None
        Set for a derivative of this, instead of the loss.
    pairs : bool
        Whether that is a derivative of each element by each other one: ∂a_i/∂z_j, of which i comes first.
    key : str
        A name in plain letters, the same from run to run: ``layers.0.weight``, ``d layers.0.z``.
    """

    layout: Layout
    derivative: bool
    key: str
    over: Layout | None = None
    pairs: bool = False


@dataclass(frozen=True)
class Number:
    """A number that is part of the formula."""

    value: Any


@dataclass(frozen=True)
class Name:
    """A named array, or one element of it; `number` is what that element holds."""

    symbol: Symbol
    value: Value = field(compare=False)  # to compare two values is to make a third
    index: Index | None = None
    number: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Apply:
    """A primitive applied to formulas.

    Where `gathered` is not 0, the operands are elements of one array, which has so many; of very many only
    those that matter are there.
    """

    primitive: Primitive
    operands: tuple[Formula, ...]
    attributes: Mapping[str, Any]
    gathered: int = 0


@dataclass(frozen=True)
class Total:
    """A sum of many terms, or, with a variable, of the term at each of its `size` places.

    Of very many terms some of the largest are there, and `rest` is what the others come to.
    """

    terms: tuple[Formula, ...]
    variable: Variable | None = None
    size: int = 0
    rest: float | None = None


@dataclass(frozen=True)
class Place:
    """The number of an element's place."""

    variable: Variable


Formula = Number | Name | Apply | Total | Place
#: The names of the values at which a formula stops.
Stop = Callable[[Value], Symbol | None]


class Parts:
    """What a function of formulas gives for their parts; a part that stands in several places is done once.

    Parameters
    ----------
    function : callable
        Takes a formula, and this, which it calls for the formula's parts.
    """

    def __init__(self, function: Callable[[Formula, Parts], Any]) -> None:
        self._function = function
        self._done: dict[int, tuple[Formula, Any]] = {}  # with the formula, so that its id stays its own

    def __call__(self, formula: Formula) -> Any:
        """Return what the function gives."""
        if id(formula) not in self._done:
            self._done[id(formula)] = formula, self._function(formula, self)
        return self._done[id(formula)][1]


def numeric(formula: Formula) -> Any:
    """Return what a formula of elements comes to, by the rows' own values."""
    return numerics()(formula)


def numerics() -> Parts:
    """Return `numeric` for several formulas that have parts in common."""
    return Parts(_numeric)


def _numeric(formula: Formula, part: Parts) -> Any:
    match formula:
        case Number(value):
            return value
        case Name(number=number):
            return number
        case Total(terms, rest=rest):
            return sum((part(term) for term in terms[1:]), part(terms[0])) + (rest or 0.0) if terms else 0.0
        case Apply(primitive, operands, attributes, gathered):
            arrays = [np.asarray(part(operand)) for operand in operands]
            if gathered:
                arrays = [np.stack(arrays)]
                attributes = {**attributes, "axes": (0,)}
            with np.errstate(all="ignore"):
                return np.asarray(primitive.value(*arrays, **attributes))[()]


def names(formula: Formula) -> Iterator[Name]:
    """Yield the names in a formula, from left to right."""
    match formula:
        case Name():
            yield formula
        case Apply(_, operands, _, _):
            for operand in operands:
                yield from names(operand)
        case Total(terms):
            for term in terms:
                yield from names(term)


def addends(formula: Formula, signs: Sequence[str] = ("add",)) -> Iterator[Formula]:
    """Yield the terms of a sum, however it is nested; `signs` are the primitives that stand between them."""
    match formula:
        case Total(terms, None):
            parts = terms
        case Apply(primitive, operands, _, 0) if primitive.name in signs:
            parts = operands
        case _:
            yield formula
            return
    for part in parts:
        yield from addends(part, signs)


def substituted(formula: Formula, replace: Callable[[Name], Formula]) -> Formula:
    """Return the formula with every name replaced."""
    match formula:
        case Name():
            return replace(formula)
        case Apply(primitive, operands, attributes, gathered):
            new = tuple(substituted(operand, replace) for operand in operands)
            return Apply(primitive, new, attributes, gathered)
        case Total(terms):
            return dataclasses.replace(formula, terms=tuple(substituted(term, replace) for term in terms))
    return formula


def rounded(formula: Formula, number: Callable[[Any], Any], own: Callable[[Any], Any]) -> Formula:
    """Return the formula with numbers for its names.

    One function makes something of these, another one, `own`, of the numbers that are part of the formula.
    """

    def part_of(formula: Formula, part: Parts) -> Formula:
        match formula:
            case Number(value):
                return Number(own(value))
            case Name(number=known):
                return Number(number(known))
            case Total(terms, rest=rest):
                of_rest = None if rest is None else number(rest)
                return dataclasses.replace(formula, terms=tuple(map(part, terms)), rest=of_rest)
            case Apply(primitive, operands, attributes, gathered):
                return Apply(primitive, tuple(map(part, operands)), attributes, gathered)
        return formula

    return Parts(part_of)(formula)  # type: ignore[no-any-return]
