"""Contractions: a tile of the product is held in registers while the sum runs.

For every k, an element of each of the tile's rows is spread over a vector and multiplied by neighbours of the
other operand. The sum of an element runs over k in order, whatever the number of rows or threads, so a row's
result has the same bits whatever rows stand beside it.

What little is made of a tile (a bias, an activation) follows its sums at once; for more there is a loop over
its rows. A weight update is computed row by row beside the sums of the next tile: its divisions, square roots
and memory are waited for meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES, llvm_type
from chainrule.compiler.fuse import is_contiguous
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.llvm import Registers, vector_registers
from chainrule.compiler.loops import Index, KernelWriter, extent_of, first_lanes
from chainrule.compiler.matvec import write_column
from chainrule.compiler.operand import Operand, Panel
from chainrule.graph.types import ROWS, Dim

#: From so many columns on a tile is as wide as it can be.
MANY_COLUMNS = 256
#: With fewer tiles than this in a panel it is not worth packing.
WORTH_PACKING = 4
#: What the first cache holds, and what the second holds beside other arrays.
NEAR_BYTES = 1 << 15
FAR_BYTES = 1 << 19
#: A left operand that lies transposed is packed if it is far and has so many rows: so much at a time.
FAR_ROWS = 128
BLOCK_BYTES = 1 << 19
#: The most groups of panels, which threads take one by one, and the panels that one has at least.
MOST_GROUPS = 8
LEAST_GROUP = 2
#: With more members than this a tile is finished row by row: afterwards, or beside the next one's sums.
MOST_AT_ONCE = 5


@dataclass(frozen=True)
class Tile:
    """The shape of a tile: its rows, and how many vectors each has."""

    rows: int
    vectors: int


def tile_for(dtype: str, registers: Registers, columns: Dim) -> Tile:
    """Return the largest tile whose sums stay in registers, beside a row of the panel and a factor.

    A wide tile reads fewer factors for as many sums; a high one wastes nothing on few columns.
    """
    each = max(1, LANES * BYTES[dtype] // registers.width)
    wide = columns is not ROWS and int(columns) >= MANY_COLUMNS
    across = each * max(1, registers.number // (8 if wide else 16) // each)
    return Tile(max(1, min(8, (registers.number - 1 - across) // across)), across // each)


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


@dataclass(frozen=True)
class Block:
    """Some rows: which is the first, and whether their factors are packed."""

    begin: str
    packed: str


@dataclass(frozen=True)
class Rows:
    """The rows of a panel: where the first begins, and how many elements later the next."""

    start: str
    step: str


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
        self.inner = extent_of(root.operands[0].shape[-1])
        self.outer: list[Affine] = []
        self.tile = tile_for(root.dtype.name, vector_registers(), self.columns)
        self.turned = root.operands[1].serial not in writer.buffers and not is_contiguous(
            root.operands[1], -1
        )
        self.dtype = root.dtype.name
        self.scratch = "%scratch"
        self.block: Block | None = None
        self.wide = llvm_type(self.dtype, vector=True)
        self.light = len(writer.kernel.members) <= MOST_AT_ONCE and not self._overwrites()

    def _overwrites(self) -> bool:
        """Whether the kernel writes over what it reads, so that it must finish each row exactly once."""
        kernel, buffers = self.writer.kernel, self.writer.buffers
        read = {operand.serial for value in kernel.members for operand in value.operands}
        written = {buffers[value.serial] for value in kernel.stored}
        return any(buffers[serial] in written for serial in read & set(buffers))

    def write(self) -> None:
        """Write all loops."""
        batch = self.root.shape[:-2]
        if self.columns == 1:
            write_column(self.writer, self.left, self.right)
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
        to two cores, these take lines from each other's caches.
        """
        panels = self._of_columns(shared)
        rows = self.root.shape[-2]
        bounds = self.writer.share(rows, self.tile.rows) if shared else ("0", extent_of(rows))

        def write(bounds: tuple[str, str]) -> None:
            for each in panels:
                self._panels(each, bounds, shared)

        if self._is_crossed():
            self._blocks(bounds, write)
        else:
            write(bounds)

    def _of_columns(self, shared: bool) -> list[Panels]:
        """Return the panels of columns: those of a tile's width, and what is left."""
        if self.columns is ROWS:
            return [Panels("0", "%rows", 1)]
        width = LANES * self.tile.vectors
        number, left = divmod(int(self.columns), width)
        whole = number * width
        if shared:
            self.writer.groups = max(1, min(MOST_GROUPS, number // LEAST_GROUP))
        panels = [Panels("0", str(whole), self.tile.vectors)] if whole else []
        return panels + ([Panels(str(whole), str(whole + 1), -(-left // LANES), left)] if left else [])

    # Blocks of rows ----------------------------------------------------------------------------------

    def _is_crossed(self) -> bool:
        """Whether the left operand lies transposed: neighbours in a column are neighbours in memory."""
        operand, (rows, columns) = self.root.operands[0], self.root.shape[-2:]
        if ROWS in (rows, columns) or int(rows) < FAR_ROWS or int(columns) < LANES * self.tile.vectors:
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
        code, number = self.code, self._number
        size = number("mul", self.inner, BYTES[self.dtype])
        room = number("and", number("udiv", BLOCK_BYTES, size), -LANES)
        all_bytes = number("mul", size, number("sub", bounds[1], bounds[0]))
        large = code.value(f"icmp sgt i64 {all_bytes}, {FAR_BYTES}")
        packed = code.value(f"and i1 {large}, {code.value(f'icmp sge i64 {room}, {LANES}')}")
        step = code.value(f"select i1 {packed}, i64 {room}, i64 {bounds[1]}")
        self.writer.reserve(BLOCK_BYTES, 0)
        self.scratch = code.value(f"getelementptr i8, ptr %scratch, i64 {BLOCK_BYTES}")

        def block(begin: str, _: list[str]) -> list[str]:
            rows = (begin, self._smaller(number("add", begin, step), bounds[1]))
            self.block = Block(begin, packed)
            code.when(packed, lambda: self.left.pack_crossed(self.outer, rows, self.inner, "%scratch"))
            write(rows)
            return []

        code.loop(*bounds, step, block)

    def _lefts(self, rows: list[str]) -> list[str]:
        """Return where the factors of some rows begin."""
        starts = [self.left.address([*self.outer, Affine({row: 1}), Affine({})]) for row in rows]
        if self.block is None:
            return starts
        number, block = self._number, self.block
        offsets = [number("sub", row, block.begin) for row in rows]
        places = [
            number(
                "add",
                number("mul", number("and", offset, -LANES), self.inner),
                number("and", offset, LANES - 1),
            )
            for offset in offsets
        ]
        return [
            self.code.value(
                f"select i1 {block.packed}, ptr {self.left.after('%scratch', place)}, ptr {start}"
            )
            for place, start in zip(places, starts, strict=True)
        ]

    def _far(self, axis: int) -> str:
        """Return how many elements a row's factors lie apart."""
        far = self.left.distance(axis)
        if self.block is None:
            return far
        return self.code.value(f"select i1 {self.block.packed}, i64 {LANES}, i64 {far}")

    # Panels ------------------------------------------------------------------------------------------

    def _panels(self, panels: Panels, bounds: tuple[str, str], shared: bool) -> None:
        """Write the loop over some panels, between these rows."""
        number = self._number
        count = self._units(number("sub", panels.end, panels.begin), panels.width)
        begin, end = self._group(count) if shared else ("0", count)

        def panel(place: str, _: list[str]) -> list[str]:
            self._panel(number("add", panels.begin, number("mul", place, panels.width)), panels, bounds)
            return []

        some = self.code.value(f"icmp slt i64 {bounds[0]}, {bounds[1]}")
        stop = self.code.value(f"select i1 {some}, i64 {end}, i64 0")
        self.code.loop(begin, stop, 1, panel)

    def _group(self, count: str) -> tuple[str, str]:
        """Return which panels are done: a group of them, where there are several, or all.

        Groups are what a thread can take over from one that has to wait for its core.
        """
        if self.writer.groups == 1:
            return "0", count
        return self.writer.share_of(count, 1, "%group", "%groups")

    def _number(self, operation: str, x: object, y: object) -> str:
        return self.code.value(f"{operation} i64 {x}, {y}")

    def _units(self, extent: str, unit: int) -> str:
        """Return how many units cover an extent."""
        return self._number("udiv", self._number("add", extent, unit - 1), unit)

    def _panel(self, column: str, panels: Panels, bounds: tuple[str, str]) -> None:
        """Write the loop over the tiles of a panel, between these rows."""
        first = [*self.outer, Affine({}), Affine({column: 1})]
        panel = Panel(first, self._tails(column, panels), self._columns_in(column, panels), self.turned)
        tiles = self._units(self._number("sub", bounds[1], bounds[0]), self.tile.rows)
        right = self._right(panel, tiles)
        if self.light:
            self.code.loop(0, tiles, 1, lambda tile, _: self._finished_tile(tile, bounds, panel, right))
        elif self.inner != "%rows":
            self.code.loop(0, tiles, 1, lambda tile, _: self._kept_tile(tile, bounds, panel, right))
        else:  # one more turn, in which only the last tile is finished
            end = self._number("add", tiles, 1)
            self.code.loop(0, end, 1, lambda tile, _: self._tile(tile, tiles, bounds, panel, right))

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
            return self._smaller(self._number("sub", "%rows", column), str(LANES))
        return str(panels.width if panels.left is None else panels.left)

    def _right(self, panel: Panel, tiles: str) -> Rows:
        """Return where the rows of a panel lie; pack them if that is needed, or worth it.

        They are where they are if few tiles read them, or a cache holds the whole operand: the second one, or
        the first if a vector of it may lie in two lines.
        """
        code = self.code
        if self.turned:
            self._reserve(panel)
            self.right.pack(panel, self.inner, self.scratch)
            return Rows(self.scratch, str(panel.width))
        start, step = self.right.address(panel.first), self.right.distance(panel.rank)
        if step == str(panel.width):
            return Rows(start, step)
        self._reserve(panel)
        often = code.value(f"icmp sge i64 {tiles}, {WORTH_PACKING}")
        size = self._number("mul", self.inner, step)
        near = FAR_BYTES if self.right.buffer.padded else NEAR_BYTES
        far = code.value(f"icmp sgt i64 {size}, {near // BYTES[self.dtype]}")
        many = code.value(f"and i1 {often}, {far}")
        code.when(many, lambda: self.right.pack(panel, self.inner, self.scratch))
        return Rows(
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

    # Tiles -------------------------------------------------------------------------------------------

    def _finished_tile(self, tile: str, bounds: tuple[str, str], panel: Panel, right: Rows) -> list[str]:
        """Write the sums of a tile, and at once what little is made of them."""
        rows = self._rows(tile, bounds)
        sums = self._sum(("0", self.inner), self._zeros(panel), self._lefts(rows), panel, right)[2:]
        for number, text in enumerate(sums):
            row, v = divmod(number, len(panel.tails))
            self._finish(Affine({rows[row]: 1}), v, Element(text, self.dtype, True), panel)
        return []

    def _kept_tile(self, tile: str, bounds: tuple[str, str], panel: Panel, right: Rows) -> list[str]:
        """Write the sums of a tile, and then a loop over its rows in which they are finished."""
        rows = self._rows(tile, bounds)
        self._keep(self._sum(("0", self.inner), self._zeros(panel), self._lefts(rows), panel, right)[2:])
        height = self._smaller(self._number("sub", bounds[1], rows[0]), str(self.tile.rows))

        def row(r: str, _: list[str]) -> list[str]:
            self._finish_kept(r, rows[0], panel)
            return []

        self.code.loop(0, height, 1, row)
        return []

    def _tile(self, tile: str, tiles: str, bounds: tuple[str, str], panel: Panel, right: Rows) -> list[str]:
        """Write the sums of a tile in as many parts as it has rows; beside each a row of the last one."""
        code, number = self.code, self._number
        rows = self._rows(tile, bounds)
        inner = code.value(
            f"select i1 {code.value(f'icmp slt i64 {tile}, {tiles}')}, i64 {self.inner}, i64 0"
        )
        last = number("sub", rows[0], self.tile.rows)
        left = self._smaller(number("sub", bounds[1], last), str(self.tile.rows))
        height = code.value(f"select i1 {code.value(f'icmp sgt i64 {tile}, 0')}, i64 {left}, i64 0")
        lefts = self._lefts(rows)
        part = self._units(inner, self.tile.rows)

        def turn(r: str, carried: list[str]) -> list[str]:
            for column in panel.columns:
                self.writer.fetch(tuple(map(self.b.at, [*self.outer, Affine({rows[0]: 1, r: 1}), column])))
            ends = [number("mul", r, part), number("mul", number("add", r, 1), part)]
            begin, end = (self._smaller(place, inner) for place in ends)
            kinds = [kind for kind, _ in self._zeros(panel)]
            carried = self._sum((begin, end), list(zip(kinds, carried, strict=True)), lefts, panel, right)
            code.when(code.value(f"icmp slt i64 {r}, {height}"), lambda: self._finish_kept(r, last, panel))
            return carried

        self._keep(code.loop(0, self.tile.rows, 1, turn, self._zeros(panel))[2:])
        return []

    def _keep(self, sums: list[str]) -> None:
        for place, text in enumerate(sums):
            self.code.do(f"store {self.wide} {text}, ptr {self._slot(place)}, align 64")

    def _rows(self, tile: str, bounds: tuple[str, str]) -> list[str]:
        """Return the rows of a tile; where there are no more, the last one again."""
        self.writer.forget()
        top = self._number("add", bounds[0], self._number("mul", tile, self.tile.rows))
        final = self._number("sub", bounds[1], 1)
        return [top, *(self._smaller(self._number("add", top, r), final) for r in range(1, self.tile.rows))]

    def _smaller(self, x: str, y: str) -> str:
        return self.code.call("i64", "llvm.smin.i64", f"i64 {x}, i64 {y}")

    def _zeros(self, panel: Panel) -> list[tuple[str, str]]:
        """Return what a sum begins with: the places in both operands, and zeros."""
        zero = self.b.spread(self.b.constant(0, self.dtype)).text
        return [("i64", "0"), ("i64", "0"), *[(self.wide, zero)] * (self.tile.rows * len(panel.tails))]

    def _sum(
        self,
        bounds: tuple[str, str],
        carried: list[tuple[str, str]],
        lefts: list[str],
        panel: Panel,
        right: Rows,
    ) -> list[str]:
        """Write the loop over a range of k: every row's factor times a row of the panel."""
        b, count = self.b, len(panel.tails)
        far = self._far(panel.rank + 1)

        def turn(_: str, held: list[str]) -> list[str]:
            at_left, at_right, *sums = held
            row = self.right.after(right.start, at_right)
            ys = [self.right.vector(self.right.after(row, LANES * v), panel.tails[v]) for v in range(count)]
            results = []
            for number, start in enumerate(lefts):
                x = b.spread(self.left.scalar(self.left.after(start, at_left)))
                for v, y in enumerate(ys):
                    total = Element(sums[number * count + v], self.dtype, True)
                    results.append(b.fma(x, y, total).text)
            return [self._number("add", at_left, far), self._number("add", at_right, right.step), *results]

        return self.code.loop(*bounds, 1, turn, carried)

    def _finish_kept(self, r: str, top: str, panel: Panel) -> None:
        """Finish a row of the tile that lies on the stack."""
        code, count = self.code, len(panel.tails)
        for v in range(count):
            slot = self._slot(self._number("add", self._number("mul", r, count), v))
            total = Element(code.value(f"load {self.wide}, ptr {slot}, align 64"), self.dtype, True)
            self._finish(Affine({top: 1, r: 1}), v, total, panel)

    def _slot(self, place: object) -> str:
        self.code.reserve("%tile", f"[{self.tile.rows * self.tile.vectors} x {self.wide}]")
        return self.code.value(f"getelementptr {self.wide}, ptr %tile, i64 {place}")

    def _finish(self, row: Affine, v: int, total: Element, panel: Panel) -> None:
        """Compute and store what is made of a vector of sums."""
        self.writer.forget()
        self.writer.tail = panel.tails[v]
        self.writer.finish(tuple(map(self.b.at, [*self.outer, row, panel.columns[v]])), total)
        self.writer.tail = None


def write_contraction(writer: KernelWriter) -> None:
    """Write a kernel whose root is a contraction."""
    ProductWriter(writer).write()
