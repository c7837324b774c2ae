"""An operand of a contraction: where its elements lie, and how a panel of it is packed.

A tile reads the right operand row by row, some neighbouring columns at a time. In a panel that was packed the
rows follow each other without a gap, so that the tiles stream through a few pages of memory. An operand that
lies transposed is turned on the way, a square of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES, SCALARS, Code
from chainrule.compiler.fuse import as_view
from chainrule.compiler.index import Affine
from chainrule.compiler.loops import Index, KernelWriter
from chainrule.compiler.memory import Buffer
from chainrule.graph.value import Value


class Operand:
    """One operand of a product, where it lies.

    Parameters
    ----------
    writer : KernelWriter
        Of the kernel.
    value : Value
        What is multiplied; it may be another view of what lies in memory.
    """

    def __init__(self, writer: KernelWriter, value: Value) -> None:
        counters = [Affine({f"%{axis}": 1}) for axis in range(value.ndim)]
        if value.serial in writer.buffers:
            source, self.indices = value, counters
        else:
            source, self.indices = as_view(value, counters)
        self._writer, self._code = writer, writer.code
        self.buffer: Buffer = writer.buffers[source.serial]
        self.kind = SCALARS[self.buffer.dtype]

    def places(self, index: Sequence[Affine]) -> Index:
        """Return where in memory the element at an index is."""
        result = []
        for affine in self.indices:
            place = Affine({}, affine.constant)
            for name, coefficient in affine.terms.items():
                place = place + index[int(name[1:])].times(coefficient)
            result.append(self._writer.b.at(place))
        return tuple(result)

    def load(self, index: Sequence[Affine], tail: Element | None) -> Element:
        """Return the element, or the neighbours, at an index."""
        return self._writer.access.load(self.buffer, self.places(index), None, tail)

    def address(self, index: Sequence[Affine]) -> str:
        """Return where the element at an index lies."""
        return self._writer.access.address_of(self.buffer, self.places(index))

    def scalar(self, address: str) -> Element:
        """Return the element at an address."""
        return self._writer.access.scalar_at(address, self.buffer)

    def vector(self, address: str, mask: Element | None) -> Element:
        """Return the neighbours from an address on; a mask is heeded where there is no room to read on."""
        return self._writer.access.vector_at(address, self.buffer, None if self.buffer.padded else mask)

    def after(self, address: str, elements: str | int) -> str:
        """Return the address so many elements later."""
        return self._code.value(f"getelementptr {self.kind}, ptr {address}, i64 {elements}")

    def distance(self, axis: int) -> str:
        """Return how many elements neighbours along an axis lie apart."""
        return self._writer.access.distance(self.buffer, self.indices, f"%{axis}")

    # Packing -----------------------------------------------------------------------------------------

    def pack(self, panel: Panel, inner: str) -> None:
        """Write a panel's rows into the kernel's scratch memory, one after the other."""
        (self._pack_turned if panel.turned else self._pack_rows)(panel, inner)

    def _pack_rows(self, panel: Panel, inner: str) -> None:
        step = self.distance(panel.rank)

        def row(k: str, _: list[str]) -> list[str]:
            at = self.after(self.address(panel.first), self._code.value(f"mul i64 {k}, {step}"))
            for v, tail in enumerate(panel.tails):
                self._keep(self.vector(self.after(at, LANES * v), tail), panel, k, v)
            return []

        self._code.loop(0, inner, 1, row)

    def _pack_turned(self, panel: Panel, inner: str) -> None:
        """Pack what lies column by column: a square of lanes is loaded, turned and kept."""
        code = self._code

        def square(k: str, _: list[str]) -> list[str]:
            mask = self._writer.below(k, inner)
            for v in range(len(panel.tails)):
                columns = [panel.column(LANES * v + lane, code) for lane in range(LANES)]
                lines = [
                    self.vector(self.after(self.address([*panel.first[:-1], column]), k), mask)
                    for column in columns
                ]
                for row, x in enumerate(turned(code, lines)):
                    self._keep(x, panel, code.value(f"add i64 {k}, {row}"), v)
            return []

        code.loop(0, inner, LANES, square)

    def _keep(self, x: Element, panel: Panel, row: str, v: int) -> None:
        place = self._code.value(f"mul i64 {row}, {panel.width}")
        at = self.after(self.after("%scratch", place), LANES * v)
        self._code.do(f"store {x.typed}, ptr {at}, align 64")


class Panel:
    """Neighbouring columns of the right operand, done together.

    Parameters
    ----------
    first : sequence of Affine
        The index of the first column's first element; the last two entries are the row and the column.
    tails : sequence of Element or None
        For each vector of the panel which lanes are columns; None where all are.
    end : str
        Where the columns of the operand end.
    turned : bool
        Whether the operand lies column by column.
    """

    def __init__(
        self, first: Sequence[Affine], tails: Sequence[Element | None], end: str, turned: bool
    ) -> None:
        self.first = list(first)
        self.tails = list(tails)
        self.turned = turned
        self._end = end

    @property
    def rank(self) -> int:
        """The axis of the rows."""
        return len(self.first) - 2

    @property
    def width(self) -> int:
        """How many elements a packed row has."""
        return LANES * len(self.tails)

    @property
    def columns(self) -> list[Affine]:
        """Where each vector of the panel begins."""
        column = self.first[-1]
        return [Affine(column.terms, column.constant + LANES * v, 1) for v in range(len(self.tails))]

    def column(self, number: int, code: Code) -> Affine:
        """Return one of the panel's columns, or the operand's last where there are no more."""
        place = (self.first[-1] + Affine({}, number)).base(code)
        if self.tails[number // LANES] is None:
            return Affine({place: 1})
        last = code.value(f"sub i64 {self._end}, 1")
        return Affine({code.call("i64", "llvm.smin.i64", f"i64 {place}, i64 {last}"): 1})


def turned(code: Code, lines: Sequence[Element]) -> list[Element]:
    """Transpose a square of lanes: its quarters are swapped, then the quarters of these, and so on."""
    square = list(lines)
    half = LANES // 2
    while half:
        for upper in (row for row in range(LANES) if not row & half):
            lower = upper + half
            a, b = square[upper], square[lower]
            for row, near, far in ((upper, 0, LANES - half), (lower, half, LANES)):
                order = ", ".join(f"i32 {lane + (far if lane & half else near)}" for lane in range(LANES))
                text = code.value(f"shufflevector {a.typed}, {b.typed}, <{LANES} x i32> <{order}>")
                square[row] = Element(text, a.dtype, True)
        half //= 2
    return square
