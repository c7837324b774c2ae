"""Where an element stands in the arrays that it comes from: whole numbers, and variables for any place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Looked,
    Number,
    Place,
    Total,
    Variable,
    is_open,
)
from chainrule.graph.value import PRIMITIVES


class NotPlain(ValueError):  # noqa: N818  (it tells the caller to write the elements out one by one)
    """An element's place cannot be written with variables."""


def variables(index: Iterable[int | Variable]) -> Iterator[Variable]:
    """Yield the variables in an index, also those by which a place is computed."""
    for place in index:
        if isinstance(place, Looked):
            yield from _in_formula(place.formula)
        elif isinstance(place, Variable):
            yield place


def _in_formula(formula: Formula) -> Iterator[Variable]:
    match formula:
        case Place(variable):
            yield variable
        case Apply(_, parts, _, _) | Total(parts):
            for part in parts:
                yield from _in_formula(part)


def before_reshape(index: Index, shape: tuple[int, ...], before: tuple[int, ...]) -> Index:
    """Return the place before a reshape: 2j + k where axes of 3 and 2 places were one of 6.

    Axes of one place are of no account, and those that stay as they are have the same place.
    """
    long = [(place, size) for place, size in zip(index, shape, strict=True) if size != 1]
    sizes = [size for size in before if size != 1]
    places: list[int | Variable] = []
    while sizes:
        (place, size), *long = long
        group = [sizes.pop(0)]
        while size != math.prod(group):
            if size > math.prod(group):
                group.append(sizes.pop(0))
            else:
                (inner, of), *long = long
                place, size = _joined(place, inner, of), size * of
        places += _split(place, group)
    found = iter(places)
    return tuple(0 if size == 1 else next(found) for size in before)


def _joined(place: int | Variable, inner: int | Variable, of: int) -> int | Variable:
    """Return the place along one axis of those along two, of which the latter has so many."""
    if isinstance(inner, Looked) and isinstance(inner.formula, Apply):
        before = inner.formula.operands[0]
        whole = before.variable if isinstance(before, Place) else Looked("", before)
        if [place, inner] == [*_split(whole, [0, of])]:
            return whole
    return _computed("add", _computed("multiply", of, place), inner)


def _split(place: int | Variable, sizes: list[int]) -> Iterator[int | Variable]:
    """Yield the places along several axes that were one."""
    for axis, size in enumerate(sizes):
        behind = math.prod(sizes[axis + 1 :])
        whole = place if behind == 1 else _computed("floor_divide", place, behind)
        yield whole if axis == 0 else _computed("remainder", whole, size)


def _computed(name: str, *places: int | Variable) -> int | Variable:
    """Return a place that a primitive computes of others; of variables the formula."""
    if not any(isinstance(place, Variable) for place in places):
        return int(PRIMITIVES[name].value(*places))
    return Looked("", Apply(PRIMITIVES[name], tuple(map(_told, places)), {}))


def _told(place: int | Variable) -> Formula:
    match place:
        case Looked(_, formula):
            found: Formula = formula
            return found
        case Variable():
            return Place(place)
    return Number(place)


def _of_variable(operation: str, place: int | Variable, number: int | Variable) -> int | Variable:
    """Return a variable's place in a slice: 2k + 1."""
    if operation not in _SAME or not isinstance(place, Variable):
        raise NotPlain
    if number == _SAME[operation]:
        return place
    return _computed(operation, *((number, place) if operation == "multiply" else (place, number)))


#: What a place stays the same with.
_SAME = {"add": 0, "multiply": 1}


class Places:
    """A builder of `chainrule.graph.lowering` for places: whole numbers.

    Variables are handed on, and what is added to them, or they are multiplied by, becomes a formula.
    """

    def constant(self, number: Any, dtype: str) -> Any:
        return number

    def size(self, dim: Any) -> Any:
        return dim

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in _PLACE_OPERATIONS:
            raise AttributeError(operation)

        def apply(*operands: Any) -> Any:
            if is_open(operands):
                return _of_variable(operation, *operands)
            return _PLACE_OPERATIONS[operation](*operands)

        return apply


_PLACE_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a // b if a * b >= 0 else -(-a // b),
    "modulo": lambda a, b: int(math.fmod(a, b)) if b else 0,
    "equal": lambda a, b: a == b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "logical_and": lambda a, b: bool(a and b),
    "logical_or": lambda a, b: bool(a or b),
    "logical_not": lambda a: not a,
}
