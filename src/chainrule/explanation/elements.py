"""An element of a value as a formula of elements, by the kind of its row; an array as one of arrays.

Both go down to values that have a name, and to numbers that depend on no input.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explanation.collect import collected
from chainrule.explanation.data_sums import DataSum
from chainrule.explanation.formula import (
    Apply,
    Formula,
    Index,
    Looked,
    Name,
    Number,
    Place,
    Stop,
    Symbol,
    Total,
    Variable,
    concrete,
    is_open,
)
from chainrule.explanation.guards import unguarded
from chainrule.explanation.layout import Fenced, word
from chainrule.explanation.places import NotPlain, before_reshape, variables
from chainrule.explanation.printer import CONSTANTS, LARGEST, MOST_TERMS
from chainrule.explanation.simplify import shortened, simplified
from chainrule.explanation.softmax import Softmaxes
from chainrule.graph.lowering import Contraction, Expression, Gather, Reduction, Reindex, Scatter
from chainrule.graph.primitive import primitive_name
from chainrule.graph.types import BOOL, INT32, ROWS, Array, ArrayType, Dim, is_float
from chainrule.graph.value import PRIMITIVES, Value

#: Of more elements than these the largest ones are looked at, as those of a penalty on all weights.
MOST_PLACES = 1000
#: How many of them are looked at where they are added up.
LARGEST_ADDED = 64
#: So many numbers that stand in the network itself are written out.
_MOST_CONSTANTS = 4
#: Letters for places that a sum runs over; n is for the rows.
_LETTERS = "kjilmpqr"


class Expander:
    """Writes formulas of a recorded step.

    Parameters
    ----------
    numbers : mapping of Value to array
        What every value of the step came to.
    fixed : set of Value
        Values that depend on no input: they are written as numbers.
    chosen : set of Value
        Conditions that depend on data alone: what they choose is chosen.
    sums : mapping of Value to DataSum
        Sums that are one number.
    softmaxes : Softmaxes
        The softmaxes, which have a name in derivatives.
    """

    def __init__(
        self,
        numbers: Mapping[Value, Array],
        fixed: set[Value],
        chosen: set[Value],
        sums: Mapping[Value, DataSum],
        softmaxes: Softmaxes,
    ) -> None:
        self.numbers = numbers
        self.softmaxes = softmaxes
        self.fixed = fixed
        self.chosen = chosen
        self.sums = sums
        self._found: dict[tuple[Value, Index], Formula] = {}
        self._arrays: dict[Value, Formula] = {}
        self._open: Index = ()  # the places of the element that is told
        self._is_complete = False  # whether very many terms are to be written as well
        self._tells_places = False  # whether a condition on the place of an element stays as it is

    # Arrays --------------------------------------------------------------------------------------

    def array(self, value: Value, stop: Stop) -> Formula:
        """Return the formula of a whole array; `stop` tells the names of values below it."""
        return simplified(self._collected(value, None, stop))

    def _collected(self, value: Value, index: Index | None, stop: Stop) -> Formula:
        return collected(shortened(self.softmaxes.told(value, stop, self._told, index)))

    def _told(self, value: Value, index: Index | None, stop: Stop) -> Formula:
        self._found.clear()
        if index is None:
            self._arrays.clear()
            return self._array(value, stop, top=True)
        self._open = index
        return self._element(value, index, stop, top=True)

    def _array(self, value: Value, stop: Stop, top: bool = False) -> Formula:
        """Return an array's formula; what it needs in several places is one formula there."""
        if value not in self._arrays:
            self._arrays[value] = self._whole(value, stop, top)
        return self._arrays[value]

    def _whole(self, value: Value, stop: Stop, top: bool) -> Formula:  # noqa: PLR0911  (one for each)
        symbol = None if top else stop(value)
        if symbol:
            return Name(symbol, value)
        known = self.numbers[value]
        same = _only_number(known) if value in self.fixed or value in self.chosen else None
        if same is not None:
            return same
        if value in self.sums:
            return _times(self.sums[value], lambda factor: self._array(factor, stop))
        if value.primitive is None:
            return Name(_constants(known), value)
        operands = tuple(self._array(operand, stop) for operand in self._operands(value))
        if self._is_plain_cast(value) or value.primitive.notation.template == "<0>":
            return operands[0]
        if value.primitive is PRIMITIVES["permute_dims"]:
            return _permuted(value, operands[0])
        attributes = value.attributes
        if isinstance(value.primitive.lower, Reduction):
            if _is_sum(value) and math.prod(np.shape(self.numbers[value.operands[0]])) == known.size:
                return operands[0]
            letters = self._summed_axes(value)
            if not letters:
                return operands[0]
            attributes = {"axes": letters}
        return _applied(value, operands, attributes)

    def _summed_axes(self, value: Value) -> tuple[str, ...]:
        """Return the letters of what a reduction runs over.

        A product that adds up over the rows for each place of an axis, as in ∂L/∂W where W is applied at
        several places of a row, is written as one that adds up over the last of these axes for each row.
        """
        (x,), axes = value.operands, value.attributes["axes"]
        letters = tuple(_axis_letter(x, axis) for axis in axes)
        is_stack = x.primitive is PRIMITIVES["matmul"] and axes == tuple(range(x.ndim - 2))
        if not is_stack or x.operands[0].shape[-1] is not ROWS:
            return letters
        return (*("n" * (self.shape(x.operands[0])[-1] > 1)), *letters[:-1])

    # Elements ------------------------------------------------------------------------------------

    def element(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the formula of one element; with a `Variable` in the index, of any."""
        return simplified(self._collected(value, index, stop))

    def terms(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the same with all terms of each sum apart, also where one condition chooses in several."""
        self._is_complete = True
        try:
            return self._collected(value, index, stop)
        finally:
            self._is_complete = False

    def by_place(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return the formula of any element, in which places count: t_k = {1 if y = k, 0 otherwise}."""
        self._tells_places = True
        try:
            return self.element(value, index, stop)
        finally:
            self._tells_places = False

    def _element(self, value: Value, index: Index, stop: Stop, top: bool = False) -> Formula:
        """Return an element's formula; what it needs in several places is one formula there."""
        if (value, index) not in self._found:
            self._found[value, index] = self._expanded(value, index, stop, top)
        return self._found[value, index]

    def _expanded(self, value: Value, index: Index, stop: Stop, top: bool) -> Formula:
        symbol = None if top else stop(value)
        at = concrete(index)
        if symbol:
            return Name(symbol, value, index, None if at is None else self.numbers[value][at])
        if self._tells_places and value.primitive is PRIMITIVES["iota"] and isinstance(index[0], Variable):
            return Place(index[0])
        if value in self.fixed or value in self.chosen:
            known = self.numbers[value]
            if at is not None:
                return Number(known[at])
            same = _only_number(known)
            if same is not None:
                return same
            if not self._tells_places or value.primitive is None:
                raise NotPlain
        if value in self.sums:
            return _times(
                self.sums[value], lambda factor: self._element(factor, self._first_of(value, index), stop)
            )
        assert value.primitive is not None, f"{value.name} has no name in formulas"
        return _KINDS[type(value.primitive.lower)](self, value, index, stop)

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the value's shape in this step."""
        return tuple(np.shape(self.numbers[value]))

    def _operands(self, value: Value) -> tuple[Value, ...]:
        is_product = value.primitive is PRIMITIVES["multiply"]
        return unguarded(value, self.fixed, self.numbers) if is_product else value.operands

    def _expression(self, value: Value, index: Index, stop: Stop) -> Formula:
        assert value.primitive is not None
        operands = tuple(self._element(x, index if x.ndim else (), stop) for x in self._operands(value))
        is_shown = not self._is_plain_cast(value) and value.primitive is not PRIMITIVES["identity"]
        return _applied(value, operands, value.attributes) if is_shown else operands[0]

    def _is_plain_cast(self, value: Value) -> bool:
        """Whether only the number of digits changes, or whole numbers stay what they are."""
        if value.primitive is not PRIMITIVES["cast"]:
            return False
        (x,) = value.operands
        is_whole = is_float(x.dtype) and value.dtype == INT32
        return (is_float(value.dtype) and x.dtype.kind in "fi") or (
            is_whole and np.array_equal(self.numbers[value], self.numbers[x])
        )

    def _reindex(self, value: Value, index: Index, stop: Stop) -> Formula:
        assert value.primitive is not None
        assert isinstance(value.primitive.lower, Reindex)
        shapes = [self.shape(x) for x in value.operands]
        if value.primitive is PRIMITIVES["reshape"]:
            before = before_reshape(index, self.shape(value), shapes[0])
            if any(isinstance(place, Looked) for place in before) and not self._tells_places:
                raise NotPlain
            return self._element(value.operands[0], before, stop)
        types = [ArrayType(shape, x.dtype) for shape, x in zip(shapes, value.operands, strict=True)]
        attributes = {name: self._bound(item, value) for name, item in value.attributes.items()}
        sources = value.primitive.lower.sources(_Places(), index, types, **attributes)
        for x, (place, condition) in zip(value.operands, sources, strict=True):
            if condition is None or condition:
                return self._element(x, place, stop)
        return Number(np.zeros((), value.dtype)[()])

    def _bound(self, item: Any, value: Value) -> Any:
        """Return an attribute with the number of rows in the place of `rows`."""
        if isinstance(item, tuple):
            return tuple(self._bound(each, value) for each in item)
        return self.shape(value)[value.shape.index(ROWS)] if item is ROWS else item

    def _first_of(self, value: Value, index: Index) -> Index:
        """Return the place of the first term of a reduction."""
        kept = iter(index)
        (x,), axes = value.operands, value.attributes["axes"]
        return tuple(0 if axis in axes else next(kept) for axis in range(x.ndim))

    def _reduction(self, value: Value, index: Index, stop: Stop) -> Formula:
        assert value.primitive is not None
        (x,), axes = value.operands, value.attributes["axes"]
        shape = self.shape(x)

        def term(places: Sequence[int | Variable]) -> Formula:
            kept, reduced = iter(index), iter(places)
            at = tuple(next(reduced) if axis in axes else next(kept) for axis in range(len(shape)))
            return self._element(x, at, stop)

        sizes = [shape[axis] for axis in axes]
        is_one = self._tells_places and sum(size > 1 for size in sizes) == 1
        if is_open(index) and _is_sum(value) and (is_one or math.prod(sizes) > MOST_TERMS):
            return self._over([x.shape[axis] for axis in axes], sizes, index, term)
        count = math.prod(sizes)
        chosen, rest = self._chosen(value, index, count) if not is_open(index) else (None, None)
        terms = tuple(map(term, itertools.product(*map(range, sizes)) if chosen is None else chosen))
        if _is_sum(value):
            return Total(terms, rest=rest)
        return Apply(value.primitive, terms, value.attributes, gathered=count)

    def _chosen(self, value: Value, index: Index, count: int) -> tuple[list[Index] | None, float | None]:
        """Return the places that matter most among very many: of a sum, with what all others come to."""
        name = primitive_name(value)
        if count <= MOST_PLACES or self._is_complete or name not in ("sum", "max", "min"):
            return None, None
        (x,), axes = value.operands, value.attributes["axes"]
        at = list(concrete(index) or ())
        part = self.numbers[x][tuple(slice(None) if axis in axes else at.pop(0) for axis in range(x.ndim))]
        far = -np.abs(part) if name == "sum" else np.abs(part - self.numbers[value][concrete(index) or ()])
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

    def _contraction(self, value: Value, index: Index, stop: Stop) -> Formula:
        a, b = value.operands
        *batch, i, j = index

        def term(places: Sequence[int | Variable]) -> Formula:
            (k,) = places
            factors = (self._element(a, (*batch, i, k), stop), self._element(b, (*batch, k, j), stop))
            return Apply(PRIMITIVES["multiply"], factors, {})

        size = self.shape(a)[-1]
        if is_open(index):
            return self._over([a.shape[-1]], [size], index, term)
        return Total(tuple(term([k]) for k in range(size)))

    def _gather(self, value: Value, index: Index, stop: Stop) -> Formula:
        x, indices = value.operands
        at, rest = concrete(index[: indices.ndim]), index[indices.ndim :]
        if self._tells_places:
            place = simplified(self._of_places(indices, index[: indices.ndim], stop))
            return self._element(x, (Looked("", place), *rest), stop)
        if at is None:
            raise NotPlain
        return self._element(x, (int(self.numbers[indices][at]), *rest), stop)

    def _scatter(self, value: Value, index: Index, stop: Stop) -> Formula:
        indices, updates = value.operands
        place, *rest = index
        if isinstance(place, Variable):
            return self._scattered(value, index, stop)
        found = [tuple(map(int, at)) for at in np.argwhere(self.numbers[indices] == place)]
        return Total(tuple(self._element(updates, (*at, *rest), stop) for at in found))

    def _scattered(self, value: Value, index: Index, stop: Stop) -> Formula:
        """Return element k as the notation tells it: a sum over the places whose index is k."""
        indices, updates = value.operands
        if not self._tells_places or index[0] != Variable("k"):
            raise NotPlain
        free = self._free(index, "ilmpqr")

        def place(dim: Dim, size: int) -> int | Variable:
            if dim is ROWS:
                return Variable("n")
            return 0 if size == 1 else next(free)

        at = tuple(map(place, indices.shape, self.shape(indices)))
        where = self._of_places(indices, at, stop)
        return _applied(value, (where, self._element(updates, (*at, *index[1:]), stop)), value.attributes)

    def _of_places(self, indices: Value, at: Index, stop: Stop) -> Formula:
        """Return a number of places: k + 2, or (0, 2)ₖ, of those that stand in the network itself."""
        if concrete(at) is None and indices.primitive is None and not stop(indices):
            known, (variable, *_) = self.numbers[indices], at
            if isinstance(variable, Variable) and np.array_equal(known, known[:1] + np.arange(known.size)):
                return simplified(Apply(PRIMITIVES["add"], (Place(variable), Number(int(known[0]))), {}))
            numbers = _constants(known)
            return Name(replace(numbers, layout=Fenced("(", numbers.layout, ")")), indices, at)
        try:
            return self._element(indices, at, stop)
        except NotPlain:
            return self._array(indices, stop)


_KINDS: dict[type, Callable[[Expander, Value, Index, Stop], Formula]] = {
    Expression: Expander._expression,
    Reindex: Expander._reindex,
    Reduction: Expander._reduction,
    Contraction: Expander._contraction,
    Gather: Expander._gather,
    Scatter: Expander._scatter,
}


class _Places:
    """A builder of `chainrule.graph.lowering` for places: whole numbers; variables can only be handed on."""

    def constant(self, number: Any, dtype: str) -> Any:
        return number

    def size(self, dim: Any) -> Any:
        return dim

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in _PLACE_OPERATIONS:
            raise AttributeError(operation)

        def apply(*operands: Any) -> Any:
            if is_open(operands):
                raise NotPlain
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


def _only_number(array: Array) -> Number | None:
    """Return the number that all elements are; None where they differ, or there are none."""
    is_one = array.size and bool(np.all(array == array.flat[0]))
    return Number(array.flat[0]) if is_one else None


def _is_sum(value: Value) -> bool:
    return value.primitive is PRIMITIVES["sum"]


def _applied(value: Value, operands: tuple[Formula, ...], attributes: Mapping[str, Any]) -> Formula:
    """Return a row applied to formulas; what is true or false as a number is 1 or 0."""
    assert value.primitive is not None
    if value.primitive is PRIMITIVES["cast"] and is_float(value.dtype) and value.operands[0].dtype == BOOL:
        one, zero = (Number(value.dtype.type(number)) for number in (1, 0))
        return Apply(PRIMITIVES["where"], (*operands, one, zero), {})
    return Apply(value.primitive, operands, attributes)


def _permuted(value: Value, formula: Formula) -> Formula:
    """Return an array with its axes in another order: as it is where only the rows move; (xᵀ)ᵀ is x.

    The axes are told, unless the last two change places: x^T.
    """
    (x,), axes = value.operands, value.attributes["axes"]
    *leading, first, second = axes
    is_transpose = [*leading, second, first] == sorted(axes)
    others = [axis for axis in axes if x.shape[axis] is not ROWS]
    if not is_transpose and others == sorted(others):
        return formula
    match formula:
        case Apply(primitive, (inner,), {"axes": ()}) if is_transpose and primitive is value.primitive:
            return inner
    return Apply(PRIMITIVES["permute_dims"], (formula,), {"axes": () if is_transpose else str(axes)})


def _times(found: DataSum, told: Callable[[Value], Formula]) -> Formula:
    """Return what a sum comes to: its number, times its factor if it has one."""
    number = Number(found.number)
    if found.factor is None:
        return number
    return Apply(PRIMITIVES["multiply"], (number, told(found.factor)), {})


def _axis_letter(x: Value, axis: int) -> str:
    """Return the letter of an axis: n for the rows, j, k, l, ... for the others."""
    return "n" if x.shape[axis] is ROWS else "ijklm"[axis % 5]


def _constants(array: Array) -> Symbol:
    """Return how numbers that stand in the network itself are written."""
    written = [f"{item:g}" for item in array.ravel().tolist()[:_MOST_CONSTANTS]]
    if array.dtype == INT32 and array.size > _MOST_CONSTANTS:
        written.append("…")
    text = ", ".join(written) if array.size <= _MOST_CONSTANTS or array.dtype == INT32 else CONSTANTS
    return Symbol(word(text), CONSTANTS)
