"""An operand of a contraction: where its elements lie, and how a panel of it is packed.

A tile reads the right operand row by row, some neighbouring columns at a time. In a panel that was packed the
rows follow each other without a gap, so that the tiles stream through a few pages of memory; an operand that
lies transposed is turned on the way: see `chainrule.compiler.packing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.buffer import Buffer
from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES, SCALARS
from chainrule.compiler.fuse import as_view
from chainrule.compiler.index import Affine, axis_counters
from chainrule.compiler.loops import Index, KernelWriter
from chainrule.compiler.packing import Packing, pack_columns, pack_rows
from chainrule.compiler.sweep import sweep
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
        What is multiplied; it may be another view of what lies in memory.
    """

    def __init__(self, writer: KernelWriter, value: Value) -> None:
        self.value = value
        counters = axis_counters(value.ndim)
        if value.serial in writer.buffers:
            source, self.indices = value, counters
        else:
            source, self.indices = as_view(value, counters)
        self._writer, self._code = writer, writer.code
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

    def bring_near(self, first: Sequence[Affine], rows: str, columns: str) -> None:
        """Have the cache fetch so many rows and columns, some of which other threads may have written."""
        code, number, rank = self._code, self._code.integer, len(first) - 2
        steps, size = [self.distance(rank), self.distance(rank + 1)], BYTES[self.buffer.dtype]
        if steps[1] != "1":
            steps, rows, columns = steps[::-1], columns, rows
        if steps[1] != "1":
            return
        length = number("mul", steps[0], size)
        small = code.value(f"icmp sle i64 {number('mul', rows, length)}, {FAR_BYTES}")
        several = code.value("icmp sgt i64 %own_threads, 1")
        code.when(
            code.value(f"and i1 {several}, {small}"),
            lambda: sweep(code, self.address(first), length, rows, number("mul", columns, size)),
        )

    def pack(self, panel: Panel, inner: str, to: str) -> None:
        """Pack a panel, so many elements high, one row after the other."""
        start, dtype = self.address(panel.first), self.buffer.dtype
        step = self.distance(panel.rank + panel.turned)
        packing = Packing(start, step, inner, panel.number, to, str(panel.width))
        if panel.turned:
            pack_columns(self._code, dtype, packing)
        else:
            pack_rows(self._code, dtype, packing, len(panel.tails), panel.tails[-1] is None)

    def pack_crossed(self, outer: Sequence[Affine], rows: tuple[str, str], inner: str, to: str) -> None:
        """Pack rows of a left operand that lies transposed: LANES of them side by side for each k."""
        code, rank = self._code, len(outer)
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
