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
from chainrule.compiler.reduction import across_lanes


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
        """Write the loop over k, for a vector of rows, for one row, or along one row."""
        code, b, along = self._code, self._b, self._along
        *batch, row, column = places
        zero = b.constant(0, self._dtype)
        start = b.spread(zero) if vector else zero

        def turn(k: str, carried: list[str]) -> list[str]:
            mask = self._writer.below(k, self._inner) if along else tail
            at = Affine({k: 1}, 0, int(along))
            x = self._left.load([*batch, row, at], mask)
            w = self._right.load([*batch, at, column], mask)
            before = Element(carried[0], self._dtype, vector)
            total = b.fma(x, w, before)
            return [(b.select(mask, total, before) if along and mask is not None else total).text]

        (text,) = code.loop(0, self._inner, LANES if along else 1, turn, [(start.type, start.text)])
        return Element(text, self._dtype, vector)


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
