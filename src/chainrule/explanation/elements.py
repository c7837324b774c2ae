"""An element of a value as a formula of elements, by the kind of its row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from chainrule.explanation.arrays import Arrays
from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Looked,
    Name,
    Number,
    Place,
    Stop,
    Total,
    Variable,
    concrete,
    is_open,
)
from chainrule.explanation.known import Known, applied, constants, is_sum, only_number, times
from chainrule.explanation.layout import Fenced
from chainrule.explanation.places import NotPlain, Places, before_reshape, variables
from chainrule.explanation.printer import LARGEST, MOST_TERMS
from chainrule.explanation.simplify import simplified
from chainrule.graph.lowering import Contraction, Expression, Gather, Reduction, Reindex, Scatter
from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import ROWS, ArrayType, Dim
from chainrule.graph.value import PRIMITIVES, Value

#: Of more elements than these the largest ones are looked at, as those of a penalty on all weights.
MOST_PLACES = 1000
#: How many of them are looked at where they are added up.
LARGEST_ADDED = 64
#: Letters for places that a sum runs over; n is for the rows.
_LETTERS = "kjilmpqr"


class Detail(Enum):
    """How much a formula tells."""

    SHORT = "of very many terms those that matter most"
    EVERY_TERM = "very many terms as well"
    PLACES = "any element, in which a condition on its place stays as it is"


class Elements:
    """Writes an element down to those of values that have a name, and to numbers that depend on no input.

    Parameters
    ----------
    known : Known
        The values of the step.
    stop : Stop
        Tells the names.
    index : Index
        The place of the element that is told.
    detail : Detail
        How much of it.
    """

    def __init__(self, known: Known, stop: Stop, index: Index, detail: Detail) -> None:
        self.known = known
        self.stop = stop
        self._detail = detail
        self._open = index  # with the places that sums around run over
        self._found: dict[tuple[Value, Index], Formula] = {}

    def formula(self, value: Value, index: Index, top: bool = False) -> Formula:
        """Return an element's formula; what it needs in several places is one formula there."""
        if (value, index) not in self._found:
            self._found[value, index] = self._expanded(value, index, top)
        return self._found[value, index]

    def _expanded(self, value: Value, index: Index, top: bool) -> Formula:
        symbol = None if top else self.stop(value)
        at = concrete(index)
        if symbol:
            return Name(symbol, value, index, None if at is None else self.known.numbers[value][at])
        if self._detail is Detail.PLACES and primitive_name(value) == "iota":
            (place,) = index
            if isinstance(place, Variable):
                return Place(place)
        if value in self.known.fixed or value in self.known.chosen:
            known = self.known.numbers[value]
            if at is not None:
                return Number(known[at])
            same = only_number(known)
            if same is not None:
                return same
            if self._detail is not Detail.PLACES or value.primitive is None:
                raise NotPlain
        if value in self.known.sums:
            return times(
                self.known.sums[value], lambda factor: self.formula(factor, self._first_of(value, index))
            )
        assert value.primitive is not None, f"{value.name} has no name in formulas"
        return _KINDS[type(value.primitive.lower)](self, value, index)

    def _expression(self, value: Value, index: Index) -> Formula:
        assert value.primitive is not None
        operands = tuple(self.formula(x, index if x.ndim else ()) for x in self.known.operands(value))
        is_shown = not self.known.is_plain_cast(value) and value.primitive is not PRIMITIVES["identity"]
        return applied(value, operands, value.attributes) if is_shown else operands[0]

    def _reindex(self, value: Value, index: Index) -> Formula:
        assert value.primitive is not None
        assert isinstance(value.primitive.lower, Reindex)
        shapes = [self.known.shape(x) for x in value.operands]
        if value.primitive is PRIMITIVES["reshape"]:
            before = before_reshape(index, self.known.shape(value), shapes[0])
            if _is_computed(before) and self._detail is not Detail.PLACES:
                raise NotPlain
            return self.formula(value.operands[0], before)
        types = [ArrayType(shape, x.dtype) for shape, x in zip(shapes, value.operands, strict=True)]
        attributes = {name: self._bound(item, value) for name, item in value.attributes.items()}
        sources = value.primitive.lower.sources(Places(), index, types, **attributes)
        if self._detail is not Detail.PLACES and any(_is_computed(place) for place, _ in sources):
            raise NotPlain
        for x, (place, condition) in zip(value.operands, sources, strict=True):
            if condition is None or condition:
                return self.formula(x, place)
        return Number(np.zeros((), value.dtype)[()])

    def _bound(self, item: Any, value: Value) -> Any:
        """Return an attribute with the number of rows in the place of `rows`."""
        if isinstance(item, tuple):
            return tuple(self._bound(each, value) for each in item)
        return self.known.shape(value)[value.shape.index(ROWS)] if item is ROWS else item

    def _first_of(self, value: Value, index: Index) -> Index:
        """Return the place of the first term of a reduction."""
        kept = iter(index)
        (x,), axes = value.operands, value.attributes["axes"]
        return tuple(0 if axis in axes else next(kept) for axis in range(x.ndim))

    def _reduction(self, value: Value, index: Index) -> Formula:
        assert value.primitive is not None
        (x,), axes = value.operands, value.attributes["axes"]
        shape = self.known.shape(x)

        def term(places: Sequence[int | Variable]) -> Formula:
            kept, reduced = iter(index), iter(places)
            at = tuple(next(reduced) if axis in axes else next(kept) for axis in range(len(shape)))
            return self.formula(x, at)

        sizes = [shape[axis] for axis in axes]
        is_one = self._detail is Detail.PLACES and sum(size > 1 for size in sizes) == 1
        if is_open(index) and is_sum(value) and (is_one or math.prod(sizes) > MOST_TERMS):
            return self._over([x.shape[axis] for axis in axes], sizes, index, term)
        count = math.prod(sizes)
        chosen, rest = self._chosen(value, index, count) if not is_open(index) else (None, None)
        terms = tuple(map(term, itertools.product(*map(range, sizes)) if chosen is None else chosen))
        if is_sum(value):
            return Total(terms, rest=rest)
        return Apply(value.primitive, terms, value.attributes, gathered=count)

    def _chosen(self, value: Value, index: Index, count: int) -> tuple[list[Index] | None, float | None]:
        """Return the places that matter most among very many: of a sum, with what all others come to."""
        name = primitive_name(value)
        if count <= MOST_PLACES or self._detail is Detail.EVERY_TERM or name not in ("sum", "max", "min"):
            return None, None
        (x,), axes = value.operands, value.attributes["axes"]
        numbers, at = self.known.numbers, concrete(index) or ()
        kept = iter(at)
        part = numbers[x][tuple(slice(None) if axis in axes else next(kept) for axis in range(x.ndim))]
        far = -np.abs(part) if name == "sum" else np.abs(part - numbers[value][at])
        most = LARGEST_ADDED if name == "sum" else LARGEST
        nearest = np.argsort(far, axis=None, kind="stable")[:most]
        places = [np.unravel_index(place, part.shape) for place in np.sort(nearest)]
        chosen: list[Index] = [tuple(map(int, place)) for place in places]
        if name != "sum":
            return chosen, None
        return chosen, float(np.sum(part, dtype=np.float64) - sum(float(part[place]) for place in places))

    def _over(
        self,
        dims: Sequence[Dim],
        sizes: Sequence[int],
        index: Index,
        term: Callable[[Sequence[int | Variable]], Formula],
    ) -> Formula:
        """Return a sum over a variable; along an axis of one place there is nothing to sum."""
        long = [dim for dim, size in zip(dims, sizes, strict=True) if size != 1]
        if len(long) > 1:
            raise NotPlain
        variable = next(self._free(index, "n" * (ROWS in long) + _LETTERS))
        places = [0 if size == 1 else variable for size in sizes]
        if not long:
            return term(places)
        outside, self._open = self._open, (*self._open, variable)
        summed = term(places)
        self._open = outside
        return Total((summed,), variable, math.prod(sizes))

    def _free(self, index: Index, letters: str) -> Iterator[Variable]:
        """Return variables that stand for no place, neither of the element that is told nor of this one."""
        taken = {*variables(self._open), *variables(index)}
        return (one for one in map(Variable, letters) if one not in taken)

    def _contraction(self, value: Value, index: Index) -> Formula:
        a, b = value.operands
        *batch, i, j = index

        def term(places: Sequence[int | Variable]) -> Formula:
            (k,) = places
            factors = (self.formula(a, (*batch, i, k)), self.formula(b, (*batch, k, j)))
            return Apply(PRIMITIVES["multiply"], factors, {})

        size = self.known.shape(a)[-1]
        if is_open(index):
            return self._over([a.shape[-1]], [size], index, term)
        return Total(tuple(term([k]) for k in range(size)))

    def _gather(self, value: Value, index: Index) -> Formula:
        x, indices = value.operands
        at, rest = concrete(index[: indices.ndim]), index[indices.ndim :]
        if self._detail is Detail.PLACES:
            place = simplified(self._of_places(indices, index[: indices.ndim]))
            return self.formula(x, (Looked("", place), *rest))
        if at is None:
            raise NotPlain
        return self.formula(x, (int(self.known.numbers[indices][at]), *rest))

    def _scatter(self, value: Value, index: Index) -> Formula:
        indices, updates = value.operands
        place, *rest = index
        if isinstance(place, Variable):
            return self._scattered(value, index)
        found = [tuple(map(int, at)) for at in np.argwhere(self.known.numbers[indices] == place)]
        return Total(tuple(self.formula(updates, (*at, *rest)) for at in found))

    def _scattered(self, value: Value, index: Index) -> Formula:
        """Return element k as the notation tells it: a sum over the places whose index is k."""
        indices, updates = value.operands
        if self._detail is not Detail.PLACES or index[0] != Variable("k"):
            raise NotPlain
        free = self._free(index, "ilmpqr")

        def place(dim: Dim, size: int) -> int | Variable:
            if dim is ROWS:
                return Variable("n")
            return 0 if size == 1 else next(free)

        at = tuple(map(place, indices.shape, self.known.shape(indices)))
        where = self._of_places(indices, at)
        return applied(value, (where, self.formula(updates, (*at, *index[1:]))), value.attributes)

    def _of_places(self, indices: Value, at: Index) -> Formula:
        """Return a number of places: k + 2, or (0, 2)ₖ, of those that stand in the network itself."""
        if concrete(at) is None and indices.primitive is None and not self.stop(indices):
            known, (variable, *_) = self.known.numbers[indices], at
            if isinstance(variable, Variable) and np.array_equal(known, known[:1] + np.arange(known.size)):
                return simplified(Apply(PRIMITIVES["add"], (Place(variable), Number(int(known[0]))), {}))
            numbers = constants(known)
            return Name(replace(numbers, layout=Fenced("(", numbers.layout, ")")), indices, at)
        try:
            return self.formula(indices, at)
        except NotPlain:
            return Arrays(self.known, self.stop).formula(indices)


_KINDS: dict[type, Callable[[Elements, Value, Index], Formula]] = {
    Expression: Elements._expression,
    Reindex: Elements._reindex,
    Reduction: Elements._reduction,
    Contraction: Elements._contraction,
    Gather: Elements._gather,
    Scatter: Elements._scatter,
}


def _is_computed(index: Index) -> bool:
    return any(isinstance(place, Looked) for place in index)
