"""Products with few columns: sums over a vector of rows at a time, or of k, whichever lie side by side.

A tile would leave most of each vector empty. Where there is a single column it would also write a whole
vector for it: an array has no room for that, it would lie over the elements that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES, Code
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.llvm import vector_registers
from chainrule.compiler.loops import Index, KernelWriter, extent_of
from chainrule.compiler.operand import Operand
from chainrule.compiler.reduction import SIDE_BY_SIDE, across_lanes, whole_groups
from chainrule.graph.types import ROWS, Dim

#: So many columns are few: each is done by itself.
FEW_COLUMNS: Final = 4


def are_few(columns: Dim) -> bool:
    """Whether a product with so many columns is written here."""
    return columns is not ROWS and 0 < int(columns) <= FEW_COLUMNS


def write_few_columns(writer: KernelWriter, left: Operand, right: Operand) -> None:
    """Write the loops of a contraction whose result has few columns."""
    root = writer.kernel.root
    assert root is not None
    columns = _Columns(writer, left, right)

    def at_rows(index: Index) -> None:
        tail = writer.tail
        *before, _ = index

        def finish(column: Affine, total: Element) -> None:
            writer.forget()
            writer.tail = tail
            writer.finish((*before, writer.b.at(column)), total)

        columns.write(affines(before), finish)

    writer.nest((*root.shape[:-1], 1), at_rows)


class _Columns:
    """Writes the sums of some rows, or of one: what is made of them is made of a vector at a time."""

    def __init__(self, writer: KernelWriter, left: Operand, right: Operand) -> None:
        root = writer.kernel.root
        assert root is not None
        self._writer, self._code, self._b = writer, writer.code, writer.b
        self._left, self._right = left, right
        self._shape = root.shape
        self._all = [Affine({}, column) for column in range(int(root.shape[-1]))]
        self._inner = extent_of(left.value.shape[-1])
        self._along = _stride(left, -2) != 1  # a vector runs along a row

    def write(self, places: list[Affine], finish: Callable[[Affine, Element], None]) -> None:
        """Have each column finished with its sum at a place, or with its sums at neighbouring ones."""
        lanes = any(place.lanes for place in places)

        def of_rows(column: Affine) -> None:
            self._writer.forget()
            finish(column, _sum_of_each(self._writer, self._row_sums(places, column)))

        if self._along and lanes:
            self._each(of_rows)
            return
        totals = self._added(
            [places], self._all, self._along or lanes, None if self._along else self._writer.tail
        )
        for column, total in zip(self._all, totals, strict=True):
            finish(column, self._across(total) if self._along else total)

    def _each(self, body: Callable[[Affine], None]) -> None:
        """Write the loop over columns: their code stands there once."""
        number = len(self._all)

        def turn(column: str, _: list[str]) -> list[str]:
            self._b.extents[column] = number
            body(Affine({column: 1}))
            return []

        if number == 1:
            body(self._all[0])
        else:
            self._code.loop(0, number, 1, turn)
            self._writer.forget()

    def _row_sums(self, places: list[Affine], column: Affine) -> list[Element]:
        """Return for each lane a vector whose sum is its row's: as many at once as stay in registers."""
        registers, size = vector_registers(), LANES * BYTES[self._left.buffer.dtype]
        at_once = max(1, registers.number * registers.width // size // 2)
        rows = self._rows(places)
        some = [rows[first : first + at_once] for first in range(0, LANES, at_once)]
        return [total for each in some for total in self._added(each, [column], True, None)]

    def _across(self, total: Element) -> Element:
        return across_lanes(self._writer, self._b.add, total)

    def _rows(self, places: Sequence[Affine]) -> list[list[Affine]]:
        """Return the place of each lane; where there is none, and nothing to be read, the last one again."""
        (axis,) = (number for number, place in enumerate(places) if place.lanes)
        dim, number = self._shape[axis], self._code.integer
        there = self._writer.tail is None or (dim is ROWS and self._left.buffer.is_own)
        final = "" if there else number("sub", extent_of(dim), 1)

        def at(lane: int) -> Affine:
            place = Affine(places[axis].terms, places[axis].constant + lane)
            return place if there else Affine({self._code.smaller(place.base(self._code), final): 1})

        return [[*places[:axis], at(lane), *places[axis + 1 :]] for lane in range(LANES)]

    def _added(
        self, rows: Sequence[list[Affine]], columns: Sequence[Affine], vector: bool, tail: Element | None
    ) -> list[Element]:
        """Write the loop over k for some places of rows, times some columns.

        A sum runs in several parts side by side, as in `chainrule.compiler.reduction`, unless it is a vector
        of parts already.
        """
        b = self._b
        dtype = self._left.buffer.dtype
        zero = b.constant(0, dtype)
        start = b.spread(zero) if vector else zero
        parts, step = (1, LANES) if self._along else (SIDE_BY_SIDE, 1)
        count = len(rows) * len(columns)
        whole = whole_groups(self._code, self._inner, parts * step)

        def like(texts: Sequence[str]) -> list[Element]:
            return [Element(text, dtype, vector) for text in texts]

        def turn(k: str, carried: list[str]) -> list[str]:
            results: list[str] = []
            for part in range(parts):
                sums = like(carried[part * count : (part + 1) * count])
                mask = None if self._along else tail
                results += self._more(rows, columns, Affine({k: 1}, part * step), sums, mask)
            return results

        texts = self._code.loop(0, whole, parts * step, turn, [(start.type, start.text)] * parts * count)
        sums = like(texts)
        while len(sums) > count:
            half = len(sums) // 2
            sums = [b.add(one, other) for one, other in zip(sums[:half], sums[half:], strict=True)]
        if whole == self._inner:
            return sums

        def last(k: str, carried: list[str]) -> list[str]:
            mask = self._writer.below(k, self._inner) if self._along else tail
            return self._more(rows, columns, Affine({k: 1}), like(carried), mask)

        return like(
            self._code.loop(whole, self._inner, step, last, [(start.type, total.text) for total in sums])
        )

    def _more(
        self,
        rows: Sequence[list[Affine]],
        columns: Sequence[Affine],
        k: Affine,
        sums: Sequence[Element],
        mask: Element | None,
    ) -> list[str]:
        """Add the products at k, or at k and behind it along rows, in those lanes that are there."""
        b = self._b
        at = Affine(k.terms, k.constant, int(self._along))
        waiting = iter(sums)
        results: list[str] = []
        factors: list[Element] = []
        matrix: list[Affine] | None = None
        for *batch, row in rows:
            if batch != matrix:
                factors = [self._right.load([*batch, at, column], mask) for column in columns]
                matrix = batch
            x = self._left.load([*batch, row, at], mask)
            for w in factors:
                before = next(waiting)
                total = b.fma(x, w, before)
                chosen = b.select(mask, total, before) if self._along and mask is not None else total
                results.append(chosen.text)
        return results


def _sum_of_each(writer: KernelWriter, vectors: Sequence[Element]) -> Element:
    """Return the sums over the lanes of as many vectors as there are lanes, in the order of `across_lanes`.

    Halves of two vectors are added to one that has the half sums of both, then quarters, and so on.
    """
    code, b = writer.code, writer.b
    half = LANES // 2
    while half:
        pairs = zip(vectors[:half], vectors[half:], strict=True)
        vectors = [
            b.add(*(_halves(code, one, other, half, upper) for upper in (0, half))) for one, other in pairs
        ]
        half //= 2
    return vectors[0]


def _halves(code: Code, one: Element, other: Element, half: int, upper: int) -> Element:
    """Return of every 2 · `half` lanes the lower or the upper half, of one vector beside the other."""
    places = ((lane & ~half) + upper + (LANES if lane & half else 0) for lane in range(LANES))
    order = ", ".join(f"i32 {place}" for place in places)
    text = code.value(f"shufflevector {one.typed}, {other.typed}, <{LANES} x i32> <{order}>")
    return Element(text, one.dtype, True)


def _stride(operand: Operand, axis: int) -> int:
    """Return the distance in memory of neighbours along the last axis (-1) or the one before it (-2)."""
    name = f"%{operand.value.ndim + axis}"
    total = 0
    for affine, stride in zip(operand.indices, operand.buffer.strides, strict=True):
        if name in affine.terms:
            total += affine.terms[name] * stride.elements if not stride.power else 0
    return total
