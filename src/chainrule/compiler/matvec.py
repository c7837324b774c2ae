"""Matrices times vectors: sums over a vector of rows at a time, or of k, whichever lie side by side.

A tile would write a whole vector for its single column. An array has no room for that: it would lie over the
elements that follow, and at the end over another array.
"""

from __future__ import annotations

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES, SCALARS
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.loops import Index, KernelWriter, extent_of
from chainrule.compiler.operand import Operand
from chainrule.compiler.reduction import SIDE_BY_SIDE, across_lanes


def write_column(writer: KernelWriter, left: Operand, right: Operand) -> None:
    """Write the loops of a contraction whose result has a single column."""
    root = writer.kernel.root
    assert root is not None
    column = _Column(writer, left, right)

    def at_rows(index: Index) -> None:
        tail = writer.tail
        total = column.sum(affines(index))
        writer.forget()
        writer.tail = tail
        writer.finish(index, total)

    writer.nest(root.shape, at_rows)


class _Column:
    """Writes the sums of some rows, or of one: what is made of them is made of a vector at a time."""

    def __init__(self, writer: KernelWriter, left: Operand, right: Operand) -> None:
        self._writer, self._code, self._b = writer, writer.code, writer.b
        self._left, self._right = left, right
        self._dtype = left.buffer.dtype
        self._inner = extent_of(left.value.shape[-1])
        self._along = _stride(left, -2) != 1  # a vector runs along a row

    def sum(self, places: list[Affine]) -> Element:
        """Return the sum at a place, or the sums at neighbouring ones."""
        lanes = any(place.lanes for place in places)
        if not self._along:
            return self._added(places, lanes, self._writer.tail)
        return self._each(places) if lanes else self._across(places)

    def _each(self, places: list[Affine]) -> Element:
        """Write the loop over the rows of a vector of sums."""
        code, b, tail = self._code, self._b, self._writer.tail
        zeros = b.spread(b.constant(0, self._dtype))
        code.reserve("%sums", f"[{LANES} x {SCALARS[self._dtype]}]")
        if tail is not None:
            code.do(f"store {zeros.typed}, ptr %sums, align 64")

        def lane(number: str, _: list[str]) -> list[str]:
            def write() -> None:
                total = self._across([_at_lane(place, number) for place in places])
                slot = code.value(f"getelementptr {SCALARS[self._dtype]}, ptr %sums, i64 {number}")
                code.do(f"store {total.typed}, ptr {slot}")

            if tail is None:
                write()
            else:
                code.when(code.value(f"extractelement {tail.typed}, i64 {number}"), write)
            return []

        code.loop(0, LANES, 1, lane)
        return Element(code.value(f"load {zeros.type}, ptr %sums, align 64"), self._dtype, True)

    def _across(self, places: list[Affine]) -> Element:
        return across_lanes(self._writer, self._b.add, self._added(places, True, None))

    def _added(self, places: list[Affine], vector: bool, tail: Element | None) -> Element:
        """Write the loop over k, for a vector of rows, for one row, or along one row.

        Sums for a vector of rows run in several parts side by side, as in `chainrule.compiler.reduction`.
        """
        code, b = self._code, self._b
        zero = b.constant(0, self._dtype)
        start = b.spread(zero) if vector else zero
        parts, step = (1, LANES) if self._along else (SIDE_BY_SIDE, 1)
        whole = self._whole(parts * step)

        def turn(k: str, carried: list[str]) -> list[str]:
            at = [Affine({k: 1}, part * step) for part in range(parts)]
            sums = [Element(text, self._dtype, vector) for text in carried]
            mask = None if self._along else tail
            return [self._fma(places, k, total, mask).text for k, total in zip(at, sums, strict=True)]

        texts = code.loop(0, whole, parts * step, turn, [(start.type, start.text)] * parts)
        totals = [Element(text, self._dtype, vector) for text in texts]
        while len(totals) > 1:
            totals = [b.add(one, other) for one, other in zip(totals[::2], totals[1::2], strict=True)]
        if whole == self._inner:
            return totals[0]

        def last(k: str, carried: list[str]) -> list[str]:
            total = Element(carried[0], self._dtype, vector)
            mask = self._writer.below(k, self._inner) if self._along else tail
            return [self._fma(places, Affine({k: 1}), total, mask).text]

        (text,) = code.loop(whole, self._inner, step, last, [(start.type, totals[0].text)])
        return Element(text, self._dtype, vector)

    def _whole(self, group: int) -> str:
        """Return how many terms make whole groups."""
        if self._inner.isdigit():
            return str(int(self._inner) // group * group)
        return self._code.integer("and", self._inner, -group)

    def _fma(self, places: list[Affine], k: Affine, total: Element, mask: Element | None) -> Element:
        """Add the product at k, or at k and behind it along a row, in those lanes that are there."""
        b, (*batch, row, column) = self._b, places
        at = Affine(k.terms, k.constant, int(self._along))
        x = self._left.load([*batch, row, at], mask)
        w = self._right.load([*batch, at, column], mask)
        result = b.fma(x, w, total)
        return b.select(mask, result, total) if self._along and mask is not None else result


def _at_lane(place: Affine, lane: str) -> Affine:
    """Return where a lane of a vector of places is."""
    return Affine({**place.terms, lane: place.lanes}, place.constant) if place.lanes else place


def _stride(operand: Operand, axis: int) -> int:
    """Return the distance in memory of neighbours along the last axis (-1) or the one before it (-2)."""
    name = f"%{operand.value.ndim + axis}"
    total = 0
    for affine, stride in zip(operand.indices, operand.buffer.strides, strict=True):
        if name in affine.terms:
            total += affine.terms[name] * stride.elements if not stride.power else 0
    return total
