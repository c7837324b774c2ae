"""Contractions: a tile of the product is held in registers while the sum runs.

For every k, an element of each of the tile's rows is spread over a vector and multiplied by neighbours of the
other operand. The sum of an element runs over k in order, whatever the number of rows or threads, so a row's
result has the same bits whatever rows stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from chainrule.compiler.access import goes_on
from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES
from chainrule.compiler.few_columns import are_few, write_few_columns
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.llvm import vector_registers
from chainrule.compiler.loops import Index, KernelWriter, extent_of, first_lanes
from chainrule.compiler.operand import FAR_BYTES, Operand, Panel
from chainrule.compiler.tile import Area, Block, PanelRows, Product, Tile, Tiles, lanes_of_row, tile_for
from chainrule.compiler.views import is_contiguous
from chainrule.graph.types import ROWS, Dim
from chainrule.graph.value import Value

#: With fewer tiles than this in a panel it is not worth packing.
WORTH_PACKING = 4
#: What the first cache holds.
NEAR_BYTES = 1 << 15
#: A left operand that lies transposed is packed if it is far and has so many rows: so much at a time.
FAR_ROWS = 128
BLOCK_BYTES = 1 << 19
#: The most groups of panels, which threads take one by one.
MOST_GROUPS = 8


@dataclass(frozen=True)
class Panels:
    """Columns that are done alike.

    Attributes
    ----------
    begin : int
    end : str
        From which column to which.
    vectors : int
        How many vectors of columns a panel has.
    left : int or None
        How many columns there are, where the last vector is not full.
    """

    begin: int
    end: str
    vectors: int
    left: int | None = None

    @property
    def width(self) -> int:
        """The columns of a panel."""
        return LANES * self.vectors


def panels_of(columns: int, most: int) -> list[Panels]:
    """Return panels of so many vectors at most: all of the same width, or some with one vector more.

    Where the last vector is not full, its panel stands for itself and takes what the others leave.
    """
    vectors = -(-columns // LANES)
    number = -(-vectors // most)
    width, more = divmod(vectors, max(1, number))
    widths = [(more, width + 1), (number - more, width)]
    if columns % LANES:
        widths = [(number - 1, -(-(vectors - most) // max(1, number - 1)))]
    panels, begin = list[Panels](), 0
    for count, width in widths:
        if count:
            end = begin + count * width * LANES
            panels.append(Panels(begin, str(end), width))
            begin = end
    left = columns - begin
    return panels + ([Panels(begin, str(begin + 1), -(-left // LANES), left)] if left else [])


def tile_of(product: Value) -> Tile:
    """Return the tile in which a product is computed on the CPU that code is made for."""
    return tile_for(product.dtype.name, vector_registers(), product.shape[-1])


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
        self.writer, self.code = writer, writer.code
        self.root = root
        self.left, self.right = (Operand(writer, operand) for operand in root.operands)
        self.columns: Dim = root.shape[-1]
        self.outer: list[Affine] = []
        self.tile = tile_of(root)
        self.product = Product(writer, root, self.left, self.right, self.tile)
        self.inner = self.product.inner
        self.turned = root.operands[1].serial not in writer.buffers and not is_contiguous(
            root.operands[1], -1
        )
        self.dtype = root.dtype.name
        self.scratch = "%scratch"
        self.block: Block | None = None
        self.by_columns = False

    def write(self) -> None:
        """Write all loops."""
        batch = self.root.shape[:-2]
        if are_few(self.columns):
            write_few_columns(self.writer, self.left, self.right)
        elif batch:
            self.writer.nest(batch, self._in_batch, vector=False)
        else:
            self._tiles(shared=True)

    def _in_batch(self, outer: Index) -> None:
        self.outer = affines(outer)
        self._tiles(shared=False)

    def _tiles(self, shared: bool) -> None:
        """Write the loops over panels of columns and the tiles in each, for some of the rows.

        The threads share the rows: each writes a part of its own. Where neighbouring columns of a row belong
        to two cores, these take lines from each other's caches. But they share the columns where these lie in
        panels, and where no cache holds the right operand, which should be fetched once and not by each.
        """
        panels = self._of_columns(shared)
        rows = self.root.shape[-2]
        self.by_columns = shared and (self._goes_by_panels() or self._is_far_and_plain())
        by_rows = shared and not self.by_columns
        bounds = self.writer.share(rows, self.tile.rows) if by_rows else ("0", extent_of(rows))

        def write(bounds: tuple[str, str]) -> None:
            for each in panels:
                self._panels(each, bounds, shared)

        if self._is_crossed() and not self.by_columns:
            self._blocks(bounds, write)
        else:
            write(bounds)

    def _goes_by_panels(self) -> bool:
        """Whether a matrix lies in panels, or rows lie where each thread may read all: see `panels`."""
        buffers = self.writer.buffers
        written = any(buffers[value.serial].panel for value in self.writer.kernel.stored)
        return written or bool(self.right.buffer.panel) or self.left.buffer.scattered

    def _is_far_and_plain(self) -> bool:
        """Whether the right operand is larger than what the second cache holds, and the left one not crossed.

        A crossed one may be packed, which each thread should do for rows of its own. In a chain, where all
        columns of some rows are due, what a right operand is read from is never so large.
        """
        shape = self.right.source.shape
        if self._is_crossed() or ROWS in shape or self.writer.groups == 1:
            return False
        return math.prod(map(int, shape)) * BYTES[self.dtype] > FAR_BYTES

    def _of_columns(self, shared: bool) -> list[Panels]:
        """Return the panels of columns, which threads take in groups."""
        if self.columns is ROWS:
            return [Panels(0, "%rows", 1)]
        panels = panels_of(int(self.columns), self.tile.vectors)
        if shared:
            number = sum((int(each.end) - each.begin - 1) // each.width + 1 for each in panels)
            self.writer.groups = max(1, min(MOST_GROUPS, number))
        return panels

    # Blocks of rows ----------------------------------------------------------------------------------

    def _is_crossed(self) -> bool:
        """Whether the left operand lies transposed: neighbours in a column are neighbours in memory.

        Where all of a row is one element in memory, there is nothing to pack.
        """
        operand, (rows, columns) = self.root.operands[0], self.root.shape[-2:]
        if ROWS in (rows, columns) or int(rows) < FAR_ROWS or int(columns) < LANES * self.tile.vectors:
            return False
        if self.left.distance(self.root.ndim - 1) == "0":
            return False
        return (
            operand.serial not in self.writer.buffers
            and not is_contiguous(operand, -1)
            and is_contiguous(operand, -2)
        )

    def _blocks(self, bounds: tuple[str, str], write: Callable[[tuple[str, str]], None]) -> None:
        """Write the loop over blocks of rows, of which the left operand's part is packed.

        Where it lies transposed a tile would read a few elements here and there in many pages. What the
        second cache holds as a whole is read where it lies.
        """
        code, number = self.code, self.code.integer
        some = code.call("i64", "llvm.smax.i64", f"i64 {self.inner}, i64 1")  # a half may have no rows
        size = number("mul", some, BYTES[self.dtype])
        room = number("and", number("udiv", BLOCK_BYTES, size), -LANES)
        all_bytes = number("mul", size, number("sub", bounds[1], bounds[0]))
        large = code.value(f"icmp sgt i64 {all_bytes}, {FAR_BYTES}")
        packed = code.value(f"and i1 {large}, {code.value(f'icmp sge i64 {room}, {LANES}')}")
        step = code.value(f"select i1 {packed}, i64 {room}, i64 {bounds[1]}")
        self.writer.reserve(BLOCK_BYTES, 0)
        self.scratch = code.value(f"getelementptr i8, ptr %scratch, i64 {BLOCK_BYTES}")

        def block(begin: str, _: list[str]) -> list[str]:
            rows = (begin, self.code.smaller(number("add", begin, step), bounds[1]))
            self.block = Block(begin, packed)
            code.when(packed, lambda: self.left.pack_crossed(self.outer, rows, self.inner, "%scratch"))
            write(rows)
            return []

        code.loop(*bounds, step, block)

    # Panels ------------------------------------------------------------------------------------------

    def _panels(self, panels: Panels, bounds: tuple[str, str], shared: bool) -> None:
        """Write the loop over some panels, between these rows."""
        if self.by_columns:
            self._tiles_of_panels(panels, bounds)
            return
        number = self.code.integer
        count = self._units(number("sub", panels.end, panels.begin), panels.width)
        begin, end = self._group(count) if shared else ("0", count)

        def panel(place: str, _: list[str]) -> list[str]:
            self._unless_given_up(lambda: self._panel(place, panels, bounds))
            return []

        some = self.code.value(f"icmp slt i64 {bounds[0]}, {bounds[1]}")
        stop = self.code.value(f"select i1 {some}, i64 {end}, i64 0")
        self.code.loop(begin, stop, 1, panel)

    def _tiles_of_panels(self, panels: Panels, bounds: tuple[str, str]) -> None:
        """Write the loop over some panels whose tiles all threads share: whole panels, where these divide."""
        code, number, size = self.code, self.code.integer, self.tile.rows
        count = self._units(number("sub", panels.end, panels.begin), panels.width)
        height = code.call("i64", "llvm.smax.i64", f"i64 {self._units(bounds[1], size)}, i64 1")
        begin, end = self.writer.share_of(number("mul", count, height), 1, "%part", "%parts")

        def panel(place: str, _: list[str]) -> list[str]:
            before = number("mul", place, height)
            first = code.call("i64", "llvm.smax.i64", f"i64 {number('sub', begin, before)}, i64 0")
            last = code.smaller(number("sub", end, before), height)
            top, bottom = (number("mul", tile, size) for tile in (first, last))
            rows = (top, code.smaller(bottom, bounds[1]))
            self._unless_given_up(lambda: self._panel(place, panels, rows))
            return []

        rounded = number("sub", number("add", end, height), 1)
        code.loop(number("udiv", begin, height), number("udiv", rounded, height), 1, panel)

    def _unless_given_up(self, write: Callable[[], None]) -> None:
        """Write what takes long in a large product, and is not done any more once the call is given up."""
        self.code.when(goes_on(self.code), write)

    def _group(self, count: str) -> tuple[str, str]:
        """Return which panels are done: a group of them, where there are several, or all.

        Groups are what a thread can take over from one that has to wait for its core.
        """
        if self.writer.groups == 1:
            return "0", count
        return self.writer.share_of(count, 1, "%group", "%groups")

    def _units(self, extent: str, unit: int) -> str:
        """Return how many units cover an extent."""
        return self.code.integer("udiv", self.code.integer("add", extent, unit - 1), unit)

    def _panel(self, place: str, panels: Panels, bounds: tuple[str, str]) -> None:
        """Write the loop over the tiles of a panel, between these rows."""
        start = Affine({} if panels.left else {place: panels.width}, panels.begin)
        first, column = [*self.outer, Affine({}), start], start.base(self.code)
        number = self._columns_in(column, panels)
        lanes = lanes_of_row(self.dtype, number, panels.vectors)
        panel = Panel(first, self._tails(column, panels), lanes, number, self.turned)
        code, rows = self.code, self.code.integer("sub", bounds[1], bounds[0])
        tiles = self._units(rows, self.tile.rows)
        area = Area(self.outer, bounds, self.block)
        right = self._right(panel, tiles)

        def write(product: Product, tiles: str) -> None:
            Tiles(product, panel, right, area).write(tiles)

        # A row alone has a tile of its own: the other rows of a whole one would be computed for nothing.
        if self.root.shape[-2] is ROWS and self.product.light and not self.outer:
            one = replace(self.product, tile=Tile(1, self.tile.vectors))
            single = code.value(f"icmp eq i64 {rows}, 1")
            code.choose(single, lambda: write(one, "1"), lambda: write(self.product, tiles))
        else:
            write(self.product, tiles)

    def _tails(self, column: str, panels: Panels) -> list[Element | None]:
        """Return for each vector of a panel which lanes are columns; None where all are."""
        if self.columns is ROWS:
            return [self.writer.below(column, "%rows")]
        if panels.left is None:
            return [None] * panels.vectors
        return [first_lanes(min(panels.left - LANES * v, LANES)) for v in range(panels.vectors)]

    def _columns_in(self, column: str, panels: Panels) -> str:
        """Return how many columns a panel has."""
        if self.columns is ROWS:
            return self.code.smaller(self.code.integer("sub", "%rows", column), str(LANES))
        return str(panels.width if panels.left is None else panels.left)

    def _right(self, panel: Panel, tiles: str) -> PanelRows:
        """Return where the rows of a panel lie; pack them if that is needed, or worth it.

        They are where they are if few tiles read them, or a cache holds the whole operand: the second one, or
        the first if a vector of it may lie in two lines.
        """
        code = self.code
        if self.turned:
            self._reserve(panel)
            self.right.pack(panel, self.inner, self.scratch)
            return PanelRows(self.scratch, str(panel.width))
        start, step = self.right.address(panel.first), self.right.distance(panel.rank)
        near = FAR_BYTES if self.right.buffer.padded else NEAR_BYTES
        known = self.inner.isdigit() and step.isdigit()
        if step == str(panel.width) or (known and int(self.inner) * int(step) * BYTES[self.dtype] <= near):
            return PanelRows(start, step)
        self._reserve(panel)
        often = code.value(f"icmp sge i64 {tiles}, {WORTH_PACKING}")
        size = self.code.integer("mul", self.inner, step)
        far = code.value(f"icmp sgt i64 {size}, {near // BYTES[self.dtype]}")
        many = code.value(f"and i1 {often}, {far}")
        code.when(many, lambda: self.right.pack(panel, self.inner, self.scratch))
        return PanelRows(
            code.value(f"select i1 {many}, ptr {self.scratch}, ptr {start}"),
            code.value(f"select i1 {many}, i64 {panel.width}, i64 {step}"),
        )

    def _reserve(self, panel: Panel) -> None:
        """Have scratch memory for a panel, and for the squares of lanes that it is turned in."""
        row = panel.width * BYTES[self.dtype]
        inner = self.root.operands[0].shape[-1]
        block = 0 if self.block is None else BLOCK_BYTES
        size = LANES * row if inner is ROWS else (int(inner) + LANES) * row
        self.writer.reserve(block + size, row if inner is ROWS else 0)


def write_contraction(writer: KernelWriter) -> None:
    """Write a kernel whose root is a contraction."""
    ProductWriter(writer).write()
