"""Formulas: what a number, or an array, is computed from, down to things that have a name.

    formula = Number | Name | Apply(primitive, operands) | Total(terms) | Place(variable)

A `Name` stands for a named array or, with an index, for one element of it. A `Place` is where an element
stands: k in t_k = {1 if y = k, 0 otherwise}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeGuard, TypeVar

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
T = TypeVar("T")


@dataclass(frozen=True)
class Symbol:
    """The name of an array in formulas.

    Attributes
    ----------
    layout : Layout
        The letter with its layer; where `derivative` is set, ∂L is written over it.
    key : str
        A name in plain letters, the same from run to run: ``layers.0.weight``, ``d layers.0.z``.
    derivative : bool
        Whether it is the derivative of the loss by what the letter stands for.
    over : Layout or None
        Set for a derivative of this, instead of the loss.
    pairs : bool
        Whether that is a derivative of each element by each other one: ∂a_i/∂z_j, of which i comes first.
    """

    layout: Layout
    key: str
    derivative: bool = False
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


class Parts(Generic[T]):
    """What a function of formulas gives for their parts; a part that stands in several places is done once.

    Parameters
    ----------
    function : callable
        Takes a formula, and this, which it calls for the formula's parts.
    """

    def __init__(self, function: Callable[[Formula, Parts[T]], T]) -> None:
        self._function = function
        self._done: dict[int, tuple[Formula, T]] = {}  # with the formula, so that its id stays its own

    def __call__(self, formula: Formula) -> T:
        """Return what the function gives."""
        if id(formula) not in self._done:
            self._done[id(formula)] = formula, self._function(formula, self)
        return self._done[id(formula)][1]


def parts_of(formula: Formula) -> tuple[Formula, ...]:
    """Return what a formula is put together from: operands, or terms."""
    match formula:
        case Apply(operands=parts) | Total(terms=parts):
            return parts
    return ()


def with_parts(formula: Formula, part: Callable[[Formula], Formula]) -> Formula:
    """Return the formula with something else for each of its parts; one without parts stays as it is."""
    match formula:
        case Apply(operands=operands):
            return replace(formula, operands=tuple(map(part, operands)))
        case Total(terms=terms):
            return replace(formula, terms=tuple(map(part, terms)))
    return formula


def applies(formula: Formula, *names: str) -> TypeGuard[Apply]:
    """Whether a formula is one of these primitives, applied to something."""
    return isinstance(formula, Apply) and formula.primitive.name in names


def is_open(index: Index) -> bool:
    """Whether an index stands for several elements: it has variables in it."""
    return any(isinstance(place, Variable) for place in index)


def concrete(index: Index) -> tuple[int, ...] | None:
    """Return the index, if it is made of numbers alone."""
    places = tuple(place for place in index if not isinstance(place, Variable))
    return places if len(places) == len(index) else None


def numeric(formula: Formula) -> Any:
    """Return what a formula of elements comes to, by the rows' own values."""
    return numerics()(formula)


def numerics() -> Parts[Any]:
    """Return `numeric` for several formulas that have parts in common."""
    return Parts(_numeric)


def _numeric(formula: Formula, part: Parts[Any]) -> Any:
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
    if isinstance(formula, Name):
        yield formula
    for part in parts_of(formula):
        yield from names(part)


def addends(formula: Formula) -> Iterator[Formula]:
    """Yield what is added and subtracted in a sum, however it is nested, without signs."""
    match formula:
        case Total(terms, None):
            parts = terms
        case Apply(operands=operands) if applies(formula, "add", "subtract"):
            parts = operands
        case _:
            yield formula
            return
    for part in parts:
        yield from addends(part)


def substituted(formula: Formula, instead: Callable[[Name], Formula]) -> Formula:
    """Return the formula with every name replaced."""
    if isinstance(formula, Name):
        return instead(formula)
    return with_parts(formula, lambda part: substituted(part, instead))


def rounded(formula: Formula, number: Callable[[Any], Any], own: Callable[[Any], Any]) -> Formula:
    """Return the formula with numbers for its names.

    One function makes something of these, another one, `own`, of the numbers that are part of the formula.
    """

    def part_of(formula: Formula, part: Parts[Formula]) -> Formula:
        match formula:
            case Number(value):
                return Number(own(value))
            case Name(number=known):
                return Number(number(known))
            case Total(rest=rest) if rest is not None:
                formula = replace(formula, rest=number(rest))
        return with_parts(formula, part)

    return Parts(part_of)(formula)
