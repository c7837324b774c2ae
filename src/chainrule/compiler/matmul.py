"""Contractions: a tile of the product is held in registers while the sum runs.

A tile is up to 8 rows by 2 vectors. For every k, an element of each of the rows is spread over a vector and
multiplied by neighbours of the other operand. The sum of an element runs over k in order, whatever the number
of rows or threads, so a row's result has the same bits whatever rows stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES
from chainrule.compiler.fuse import as_view
from chainrule.compiler.index import Affine
from chainrule.compiler.loops import Index, KernelWriter, across_lanes, first_lanes
from chainrule.compiler.memory import Buffer
from chainrule.graph.types import ROWS, Dim
from chainrule.graph.value import Value

TILE_ROWS, TILE_VECTORS = 8, 2
#: More members than this are written as a loop over the tile's rows, which keeps the code short.
MOST_UNROLLED = 5


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
        self._writer = writer
        self.buffer: Buffer = writer.buffers[source.serial]

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

    def distance(self, axis: int) -> str:
        """Return how many elements neighbours along an axis lie apart."""
        return self._writer.access.distance(self.buffer, self.indices, f"%{axis}")


@dataclass(frozen=True)
class Panels:
    """Columns that are done alike.

    Attributes
    ----------
    begin, end : str
        From which column to which.
    vectors : int
        How many vectors of columns a panel has.
    left : int or None
        How many columns there are, where the last vector is not full.
    """

    begin: str
    end: str
    vectors: int
    left: int | None = None

    @property
    def width(self) -> int:
        """The columns of a panel."""
        return LANES * self.vectors


class ProductWriter:
    """Writes the loops of a contraction.

    Parameters
    ----------
    writer : KernelWriter
        Its kernel has a contraction as its root.
    """

    def __init__(self, writer: KernelWriter) -> None:
        root = writer.kernel.root
        assert root is not None
        self.writer = writer
        self.code, self.b = writer.code, writer.b
        self.root = root
        self.left, self.right = (Operand(writer, operand) for operand in root.operands)
        self.columns: Dim = root.shape[-1]
        self.height = _extent(root.shape[-2])
        self.inner = _extent(root.operands[0].shape[-1])
        self.outer: list[Affine] = []
        read = {operand.serial for value in writer.kernel.members for operand in value.operands}
        overwritten = {writer.buffers[value.serial] for value in writer.kernel.stored}
        self.in_place = any(writer.buffers[serial] in overwritten for serial in read & set(writer.buffers))

    def write(self) -> None:
        """Write all loops."""
        batch = self.root.shape[:-2]
        if batch:
            self.writer.nest(batch, self._in_batch, vector=False)
        elif self.columns == 1:
            self._column()
        else:
            self._tiles(shared=True)

    def _in_batch(self, outer: Index) -> None:
        self.outer = _affines(outer)
        self._tiles(shared=False)

    # Tiles -------------------------------------------------------------------------------------------

    def _tiles(self, shared: bool) -> None:
        """Write the loops over panels of columns and the tiles in each."""
        if self.columns is ROWS:
            self._panels(Panels("0", "%rows", 1), shared)
            return
        width = LANES * TILE_VECTORS
        whole = int(self.columns) // width * width
        left = int(self.columns) - whole
        if whole:
            self._panels(Panels("0", str(whole), TILE_VECTORS), shared)
        if left:
            self._panels(Panels(str(whole), str(whole + 1), -(-left // LANES), left), shared)

    def _panels(self, panels: Panels, shared: bool) -> None:
        """Share the tiles of some panels among the threads."""
        code, number = self.code, self._number
        tiles = self._units(self.height, TILE_ROWS)
        count = self._units(number("sub", panels.end, panels.begin), panels.width)
        total = number("mul", count, tiles)
        first, last = self.writer.share(total, 1) if shared else ("0", total)

        def panel(place: str, _: list[str]) -> list[str]:
            before = number("mul", place, tiles)
            low = code.call("i64", "llvm.smax.i64", f"i64 {number('sub', first, before)}, i64 0")
            high = code.call("i64", "llvm.smin.i64", f"i64 {number('sub', last, before)}, i64 {tiles}")
            column = number("add", panels.begin, number("mul", place, panels.width))
            code.loop(low, high, 1, lambda tile, _: self._tile(tile, column, panels))
            return []

        def work() -> None:
            stop = number("add", number("udiv", number("sub", last, 1), tiles), 1)
            code.loop(number("udiv", first, tiles), stop, 1, panel)

        code.when(code.value(f"icmp slt i64 {first}, {last}"), work)

    def _number(self, operation: str, x: object, y: object) -> str:
        return self.code.value(f"{operation} i64 {x}, {y}")

    def _units(self, extent: str, unit: int) -> str:
        """Return how many units cover an extent."""
        return self._number("udiv", self._number("add", extent, unit - 1), unit)

    def _tile(self, tile: str, column: str, panels: Panels) -> list[str]:
        """Write one tile: the sum in registers, then what is made of it."""
        code = self.code
        self.writer.forget()
        top = self._number("mul", tile, TILE_ROWS)
        final = self._number("sub", self.height, 1)
        rows = [top] + [
            code.call("i64", "llvm.smin.i64", f"i64 {self._number('add', top, r)}, i64 {final}")
            for r in range(1, TILE_ROWS)
        ]
        columns = [Affine({column: 1}, LANES * v, 1) for v in range(panels.vectors)]
        tails = self._tails(column, panels)
        sums = self._sum(rows, columns, tails)
        if len(self.writer.kernel.members) <= MOST_UNROLLED and not self.in_place:
            for row, totals in zip(rows, sums, strict=True):
                for place, total, tail in zip(columns, totals, tails, strict=True):
                    self._finish([*self.outer, Affine({row: 1}), place], total, tail)
        else:
            self._finish_in_a_loop(top, columns, tails, sums)
        return []

    def _tails(self, column: str, panels: Panels) -> list[Element | None]:
        """Return for each vector of a panel which lanes are columns; None where all are."""
        if self.columns is ROWS:
            return [self.writer.below(column, "%rows")]
        if panels.left is None:
            return [None] * panels.vectors
        return [first_lanes(min(panels.left - LANES * v, LANES)) for v in range(panels.vectors)]

    def _sum(
        self, rows: list[str], columns: list[Affine], tails: list[Element | None]
    ) -> list[list[Element]]:
        """Write the loop over k; return the sums of every row and vector."""
        b, dtype, access = self.b, self.root.dtype.name, self.writer.access
        zero = b.spread(b.constant(0, dtype))
        kind, first = zero.type.split(" x ")[1].rstrip(">"), Affine({})
        rank = len(self.outer)
        lefts = [self.left.address([*self.outer, Affine({row: 1}), first]) for row in rows]
        rights = [self.right.address([*self.outer, first, Affine(c.terms, c.constant)]) for c in columns]
        steps = (self.left.distance(rank + 1), self.right.distance(rank))

        def turn(_: str, carried: list[str]) -> list[str]:
            at_left, at_right, *held = carried
            right = [
                access.vector_at(
                    self._element_at(kind, pointer, at_right), self.right.buffer, self._mask(tail)
                )
                for pointer, tail in zip(rights, tails, strict=True)
            ]
            results = []
            for number, pointer in enumerate(lefts):
                left = b.spread(access.scalar_at(self._element_at(kind, pointer, at_left), self.left.buffer))
                for v in range(len(columns)):
                    total = Element(held[number * len(columns) + v], dtype, True)
                    results.append(b.fma(left, right[v], total).text)
            return [self._number("add", at_left, steps[0]), self._number("add", at_right, steps[1]), *results]

        start = [("i64", "0"), ("i64", "0")] + [(zero.type, zero.text)] * (len(rows) * len(columns))
        texts = self.code.loop(0, self.inner, 1, turn, start)[2:]
        sums = [Element(text, dtype, True) for text in texts]
        return [sums[r * len(columns) : (r + 1) * len(columns)] for r in range(len(rows))]

    def _element_at(self, kind: str, pointer: str, offset: str) -> str:
        return self.code.value(f"getelementptr {kind}, ptr {pointer}, i64 {offset}")

    def _mask(self, tail: Element | None) -> Element | None:
        return None if self.right.buffer.padded else tail

    def _finish(self, index: list[Affine], total: Element, tail: Element | None) -> None:
        self.writer.forget()
        self.writer.tail = tail
        self.writer.finish(tuple(map(self.b.at, index)), total)
        self.writer.tail = None

    def _finish_in_a_loop(
        self,
        top: str,
        columns: list[Affine],
        tails: list[Element | None],
        sums: list[list[Element]],
    ) -> None:
        """Put the tile on the stack and go over its rows one by one, each exactly once."""
        code = self.code
        kind = sums[0][0].type
        count = len(columns)
        slots = [self._slot(number, kind) for number in range(len(sums) * count)]
        for slot, total in zip(slots, [each for row in sums for each in row], strict=True):
            code.do(f"store {kind} {total.text}, ptr {slot}, align 64")
        left = code.value(f"sub i64 {self.height}, {top}")
        height = code.call("i64", "llvm.smin.i64", f"i64 {left}, i64 {TILE_ROWS}")

        def turn(r: str, _: list[str]) -> list[str]:
            for v in range(count):
                place = code.value(f"add i64 {code.value(f'mul i64 {r}, {count}')}, {v}")
                slot = code.value(f"getelementptr {kind}, ptr %tile, i64 {place}")
                text = code.value(f"load {kind}, ptr {slot}, align 64")
                index = [*self.outer, Affine({top: 1, r: 1}), columns[v]]
                self._finish(index, Element(text, self.root.dtype.name, True), tails[v])
            return []

        code.loop(0, height, 1, turn)

    def _slot(self, number: int, kind: str) -> str:
        self.code.reserve("%tile", f"[{TILE_ROWS * TILE_VECTORS} x {kind}]")
        return self.code.value(f"getelementptr {kind}, ptr %tile, i64 {number}")

    # A single column ---------------------------------------------------------------------------------

    def _column(self) -> None:
        """Write a matrix times a vector: a vector of rows at a time, or of k, whichever lie side by side."""
        rows_together = _stride(self.left, -2) == 1
        b, dtype = self.b, self.root.dtype.name

        def at_row(index: Index) -> None:
            row, column = _affines(index)
            wide = not rows_together
            zero = b.constant(0, dtype)
            start = b.spread(zero) if wide or row.lanes else zero
            outer_tail = self.writer.tail

            def turn(k: str, carried: list[str]) -> list[str]:
                tail = self.writer.below(k, self.inner) if wide else outer_tail
                at = Affine({k: 1}, 0, int(wide))
                x = self.left.load([row, at], tail)
                w = self.right.load([at, column], tail)
                product = b.fma(x, w, Element(carried[0], dtype, start.vector))
                if wide and tail is not None:
                    product = b.select(tail, product, Element(carried[0], dtype, start.vector))
                return [product.text]

            (text,) = self.code.loop(0, self.inner, LANES if wide else 1, turn, [(start.type, start.text)])
            total = Element(text, dtype, start.vector)
            if wide:
                total = across_lanes(self.writer, b.add, total)
            self.writer.forget()
            self.writer.tail = outer_tail
            self.writer.finish(index, total)

        self.writer.nest(self.root.shape, at_row, vector=rows_together)


def _extent(dim: Dim) -> str:
    return "%rows" if dim is ROWS else str(dim)


def _affines(index: Index) -> list[Affine]:
    return [place.affine for place in index]  # type: ignore[attr-defined]


def _stride(operand: Operand, axis: int) -> int:
    """Return the distance in memory of neighbours along the last axis (-1) or the one before it (-2)."""
    name = f"%{2 + axis}"
    total = 0
    for affine, stride in zip(operand.indices, operand.buffer.strides, strict=True):
        if name in affine.terms:
            total += affine.terms[name] * stride.elements if not stride.power else 0
    return total


def write_contraction(writer: KernelWriter) -> None:
    """Write a kernel whose root is a contraction."""
    ProductWriter(writer).write()
