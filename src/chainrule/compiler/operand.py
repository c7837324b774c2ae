"""An operand of a contraction: where its elements lie, and how a panel of it is packed.

A tile reads the right operand row by row, some neighbouring columns at a time. In a panel that was packed the
rows follow each other without a gap, so that the tiles stream through a few pages of memory; an operand that
lies transposed is turned on the way: see `chainrule.compiler.packing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES, SCALARS
from chainrule.compiler.index import Affine, affines, axis_counters
from chainrule.compiler.loops import Index, KernelWriter
from chainrule.compiler.packing import Packing, pack_columns, pack_rows
from chainrule.compiler.views import as_view
from chainrule.graph.value import Value

#: What the second cache holds beside other arrays.
FAR_BYTES = 1 << 19


class Operand:
    """One operand of a product, where it lies.

    Parameters
    ----------
    writer : KernelWriter
        Of the kernel.
    value : Value
        What is multiplied; it may be another view of what lies in memory, the `source`.
    """

    def __init__(self, writer: KernelWriter, value: Value) -> None:
        self.value = value
        counters = axis_counters(value.ndim)
        if value.serial in writer.buffers:
            source, self.indices = value, counters
        else:
            source, self.indices = as_view(value, counters)
        self.source = source
        self._writer, self.code = writer, writer.code
        self.buffer: Buffer = writer.buffers[source.serial]
        self.kind = SCALARS[self.buffer.dtype]

    @property
    def goes_forward(self) -> bool:
        """Whether a later element of it never lies before an earlier one."""
        return all(
            place.constant >= 0 and min(place.terms.values(), default=0) >= 0 for place in self.indices
        )

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
        if not self.buffer.scattered:
            return self._writer.access.address_of(self.buffer, self.places(index))
        row, column = affines(self.places(index))
        return self.after(self.row(row), column.base(self.code))

    def row(self, place: Affine) -> str:
        """Return where a row lies, of an operand whose rows lie elsewhere."""
        first = self._writer.access.pointer(self.buffer)
        at = self.code.value(f"getelementptr ptr, ptr {first}, i64 {place.base(self.code)}")
        return self.code.value(f"load ptr, ptr {at}")

    def reads_rows_along(self, axis: int) -> bool:
        """Whether neighbours along an axis belong to different rows of what lies in memory."""
        return f"%{axis}" in self.indices[0].terms

    def scalar(self, address: str) -> Element:
        """Return the element at an address."""
        return self._writer.access.scalar_at(address, self.buffer)

    def vector(self, address: str, mask: Element | None) -> Element:
        """Return the neighbours from an address on; a mask is heeded where there is no room to read on."""
        return self._writer.access.vector_at(address, self.buffer, None if self.buffer.padded else mask)

    def after(self, address: str, elements: str | int) -> str:
        """Return the address so many elements later."""
        return self.code.value(f"getelementptr {self.kind}, ptr {address}, i64 {elements}")

    def distance(self, axis: int) -> str:
        """Return how many elements neighbours along an axis lie apart."""
        return self._writer.access.distance(self.buffer, self.indices, f"%{axis}")

    def pack(self, panel: Panel, inner: str, to: str) -> None:
        """Pack a panel, so many elements high, one row after the other."""
        step, dtype = self.distance(panel.rank + panel.turned), self.buffer.dtype
        if not panel.turned:
            packing = Packing(self.address(panel.first), step, inner, panel.number, to, str(panel.width))
            pack_rows(self.code, dtype, packing, len(panel.tails), panel.tails[-1] is None)
            return

        def some(start: str, rows: str, to: str) -> None:
            pack_columns(self.code, dtype, Packing(start, step, rows, panel.number, to, str(panel.width)))

        block = self.buffer.panel
        if not block:
            some(self.address(panel.first), inner, to)
            return

        def part(number: str, _: list[str]) -> list[str]:
            start = self.address([*panel.first[:-2], Affine({number: block}), panel.first[-1]])
            left = self.code.integer("sub", inner, self.code.integer("mul", number, block))
            place = self.after(to, self.code.integer("mul", number, block * panel.width))
            some(start, self.code.smaller(left, block), place)
            return []

        self.code.loop(0, -(-int(inner) // block), 1, part)

    def pack_crossed(self, outer: Sequence[Affine], rows: tuple[str, str], inner: str, to: str) -> None:
        """Pack rows of a left operand that lies transposed: LANES of them side by side for each k."""
        code, rank = self.code, len(outer)
        step = self.distance(rank + 1)
        full = self.value.shape[rank] % LANES == 0

        def some(row: str, _: list[str]) -> list[str]:
            start = self.address([*outer, Affine({row: 1}), Affine({})])
            left = code.value(f"sub i64 {rows[1]}, {row}")
            number = code.smaller(left, LANES)
            before = code.value(f"mul i64 {code.value(f'sub i64 {row}, {rows[0]}')}, {inner}")
            packing = Packing(start, step, inner, number, self.after(to, before), str(LANES))
            pack_rows(code, self.buffer.dtype, packing, 1, full)
            return []

        code.loop(*rows, LANES, some)


class Panel:
    """Neighbouring columns of the right operand, done together.

    Parameters
    ----------
    first : sequence of Affine
        The index of the first column's first element; the last two entries are the row and the column.
    tails : sequence of Element or None
        For each vector of the panel which lanes are columns; None where all are.
    lanes : sequence of int
        For each vector of the panel how many lanes are computed.
    number : str
        How many columns it has.
    turned : bool
        Whether the operand lies column by column.
    """

    def __init__(
        self,
        first: Sequence[Affine],
        tails: Sequence[Element | None],
        lanes: Sequence[int],
        number: str,
        turned: bool,
    ) -> None:
        self.first = list(first)
        self.tails, self.lanes = list(tails), list(lanes)
        self.number = number
        self.turned = turned

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
