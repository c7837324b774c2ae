"""Tiles of a product: their sums stay in registers while k runs, and then something is made of them.

What little is made of a tile (a bias, an activation) follows its sums at once; for more there is a loop over
its rows. A weight update is computed row by row beside the sums of the next tile: its divisions, square roots
and memory are waited for meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chainrule.compiler.builder import Element
from chainrule.compiler.code import BYTES, LANES, SCALARS, llvm_type, mangled
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.llvm import Registers
from chainrule.compiler.loops import KernelWriter, extent_of
from chainrule.compiler.operand import Operand, Panel
from chainrule.compiler.views import is_inside
from chainrule.graph.types import ROWS, Dim
from chainrule.graph.value import Value

#: The tile of so many vectors of columns that fill it: its rows, and the registers of each.
MANY_VECTORS = 8
WIDE_ROWS, WIDE_REGISTERS = 6, 4
#: Bytes of the narrowest registers.
NARROWEST = 16
#: The most vectors in a row of another tile.
MOST_VECTORS = 3
#: With more members than this a tile is finished row by row: afterwards, or beside the next one's sums. After
#: sums of many terms this takes no time worth speaking of, and is less code: done with more than one member.
MOST_AT_ONCE = 5
MANY_TERMS = 64
#: An update of more bytes than the first cache holds has its arrays fetched ahead.
FETCHED_BYTES = 1 << 15


@dataclass(frozen=True)
class Tile:
    """The shape of a tile: its rows, and how many vectors each has."""

    rows: int
    vectors: int


def tile_for(dtype: str, registers: Registers, columns: Dim) -> Tile:
    """Return the tile whose sums stay in registers, beside a row of the panel and a factor.

    Of as many sums those are best that need the fewest loads: where a neighbour is at work on the other half
    of a core, a tile waits for these. Rows that divide a vector's lanes waste none at the end of a block.
    """
    each = max(1, LANES * BYTES[dtype] // registers.width)
    total = 1 if columns is ROWS else max(1, -(-int(columns) // LANES))

    def rows(vectors: int) -> int:
        return (registers.number - 1) // (each * vectors) - 1

    wide = max(1, WIDE_REGISTERS // each)
    if total >= MANY_VECTORS and total % wide == 0 and rows(wide) >= WIDE_ROWS:
        return Tile(WIDE_ROWS, wide)
    panels = -(-total // MOST_VECTORS)
    for vectors in range(-(-total // panels), 1, -1):
        if rows(vectors) >= 4:
            return Tile(min(8, rows(vectors) // 4 * 4), vectors)
    return Tile(max(1, min(8, rows(1))), 1)


def lanes_of_row(dtype: str, columns: str, vectors: int) -> list[int]:
    """Return how many lanes of a row's vectors are computed: of the last, as few as hold its columns.

    Units of arithmetic that are narrower than a register compute a part of one in half the time.
    """
    if not columns.isdigit():
        return [LANES] * vectors
    left = int(columns) - LANES * (vectors - 1)
    needed = 1 << (left - 1).bit_length()
    return [LANES] * (vectors - 1) + [max(needed, NARROWEST // BYTES[dtype])]


@dataclass(frozen=True)
class PanelRows:
    """The rows of a panel: where the first begins, and how many elements later the next."""

    start: str
    step: str


@dataclass(frozen=True)
class Block:
    """Some rows: which is the first, and whether their factors are packed."""

    begin: str
    packed: str


@dataclass(frozen=True)
class Area:
    """The rows that are done: of which matrix, from which to which, and in which block."""

    outer: Sequence[Affine]
    bounds: tuple[str, str]
    block: Block | None


@dataclass(frozen=True)
class Product:
    """A contraction that is written.

    Attributes
    ----------
    writer : KernelWriter
        Of its kernel.
    root : Value
        The product.
    left, right : Operand
        What is multiplied.
    tile : Tile
        The shape of its tiles.
    """

    writer: KernelWriter
    root: Value
    left: Operand
    right: Operand
    tile: Tile

    @property
    def inner(self) -> str:
        """How many terms a sum has."""
        return extent_of(self.root.operands[0].shape[-1])

    @cached_property
    def light(self) -> bool:
        """Whether so little is made of the sums that it follows at once, for all rows of a tile.

        A kernel that writes over what it reads must finish each row exactly once.
        """
        kernel, buffers = self.writer.kernel, self.writer.buffers
        read = {operand.serial for value in kernel.members for operand in value.operands}
        written = {buffers[value.serial] for value in kernel.stored}
        overwrites = any(buffers[serial] in written for serial in read & set(buffers))
        terms = self.root.operands[0].shape[-1]
        most = 1 if terms is ROWS or int(terms) >= MANY_TERMS else MOST_AT_ONCE
        return len(kernel.members) <= most and not overwrites

    @cached_property
    def fetches(self) -> bool:
        """Whether the arrays of an update are so large that they are fetched ahead."""
        shape, dtype = self.root.shape, self.root.dtype.name
        return ROWS in shape or math.prod(map(int, shape)) * BYTES[dtype] > FETCHED_BYTES

    @cached_property
    def goes_on(self) -> bool:
        """Whether the last tile may take rows that are none: nobody looks at what it makes of them.

        Behind the rows of an array of the arena there is memory up to the capacity, a multiple of a tile.
        """
        rows, writer = self.root.shape[-2], self.writer
        if self.root.ndim > 2 or LANES % self.tile.rows:
            return False
        if self.left.buffer.scattered or not self.left.buffer.is_own or not self.left.goes_forward:
            return False
        if self.light and not all(map(is_inside, writer.kernel.members)):
            return False
        if self.light and not all(buffer.is_own for buffer in writer.access.buffers):
            return False
        beside = not self.light and self.left.distance(0) == "1"
        return rows is ROWS or int(rows) % self.tile.rows == 0 or beside


class Factors:
    """The factors of a tile's rows, in the left operand.

    Parameters
    ----------
    operand : Operand
        It.
    starts : sequence of str
        Where each row's first factor is, or only the first row's.
    apart : sequence of str
        How many elements later each row's factors are, where only the first row's place is given.
    step : str
        How many elements later the next factor of a row is.
    """

    def __init__(self, operand: Operand, starts: Sequence[str], apart: Sequence[str], step: str) -> None:
        self._operand, self._starts, self._apart = operand, starts, apart
        self._moves = step != "0"
        self.step = step if self._moves else "1"

    def at(self, place: str) -> list[Element]:
        """Return a factor of each row: those so many elements later than the first ones."""
        after = self._operand.after
        starts = [after(start, place) if self._moves else start for start in self._starts]
        if self._apart:
            starts = [after(starts[0], far) for far in self._apart]
        return list(map(self._operand.scalar, starts))


class ScatteredFactors:
    """The factors of a tile's rows, in a left operand that is transposed, and whose rows lie anywhere.

    Parameters
    ----------
    operand : Operand
        It.
    rows : sequence of Affine
        The tile's.
    """

    step = "1"

    def __init__(self, operand: Operand, rows: Sequence[Affine]) -> None:
        self._operand = operand
        places = (affines(operand.places([row, Affine({})])) for row in rows)
        self._columns = [column.base(operand.code) for _, column in places]

    def at(self, place: str) -> list[Element]:
        """Return a factor of each of the tile's rows: those at a place in the sum."""
        row, _ = affines(self._operand.places([Affine({}), Affine({place: 1})]))
        start = self._operand.row(row)
        return [self._operand.scalar(self._operand.after(start, column)) for column in self._columns]


class Tiles:
    """Writes the tiles of a panel.

    Parameters
    ----------
    product : Product
        Of what.
    panel : Panel
        The columns.
    right : PanelRows
        Where the panel's rows lie.
    area : Area
        The rows.
    """

    def __init__(self, product: Product, panel: Panel, right: PanelRows, area: Area) -> None:
        self._product, self._panel, self._right, self._area = product, panel, right, area
        self._writer, self._code = product.writer, product.writer.code
        self._b = product.writer.b
        self._dtype = product.root.dtype.name
        self._wide = llvm_type(self._dtype, vector=True)

    def write(self, tiles: str) -> None:
        """Write the loop over so many tiles."""
        code, product = self._code, self._product
        if product.light:
            code.loop(0, tiles, 1, lambda tile, _: self._finished(self._outwards(tile, tiles)))
        elif product.inner != "%rows":
            code.loop(0, tiles, 1, lambda tile, _: self._kept(tile))
        else:  # one more turn, in which only the last tile is finished
            end = self._code.integer("add", tiles, 1)
            code.loop(0, end, 1, lambda tile, _: self._beside(tile, tiles))

    def _outwards(self, tile: str, tiles: str) -> str:
        """Return which tile's turn it is: rows of the first half come from the last to the first.

        A core fetches some of what lies behind what it writes. So this is not what another core writes.
        """
        if self._product.root.shape[-2] is not ROWS or self._area.outer:
            return tile
        number, code = self._code.integer, self._code
        down = code.value(f"icmp slt i64 {number('mul', '%thread', 2)}, {number('sub', '%threads', 1)}")
        last = number("sub", number("sub", tiles, 1), tile)
        return code.value(f"select i1 {down}, i64 {last}, i64 {tile}")

    # What is made of the sums --------------------------------------------------------------------------

    def _finished(self, tile: str) -> list[str]:
        """Write the sums of a tile, and at once what little is made of them."""
        rows = self._rows(tile)
        for number, text in enumerate(self._whole_sum(rows)):
            row, v = divmod(number, len(self._panel.tails))
            whole = self._filled(text, self._panel.lanes[v])
            self._finish(rows[row], v, Element(whole, self._dtype, True))
        return []

    def _kept(self, tile: str) -> list[str]:
        """Write the sums of a tile, and then a loop over its rows in which they are finished."""
        rows = self._rows(tile)
        self._keep(self._whole_sum(rows))
        (top,) = rows[0].terms
        left = self._code.integer("sub", self._area.bounds[1], top)
        height = self._code.smaller(left, self._product.tile.rows)

        def row(r: str, _: list[str]) -> list[str]:
            self._finish_kept(r, top)
            return []

        self._code.loop(0, height, 1, row)
        return []

    def _beside(self, tile: str, tiles: str) -> list[str]:
        """Write the sums of a tile in as many parts as it has rows; beside each a row of the last one."""
        code, number, size = self._code, self._code.integer, self._product.tile.rows
        rows = self._rows(tile)
        (top,) = rows[0].terms
        last = number("sub", top, size)
        left = self._code.smaller(number("sub", self._area.bounds[1], last), str(size))
        height = code.value(f"select i1 {code.value(f'icmp sgt i64 {tile}, 0')}, i64 {left}, i64 0")
        factors = self._factors(rows)
        some = code.value(f"icmp slt i64 {tile}, {tiles}")
        inner = code.value(f"select i1 {some}, i64 {self._product.inner}, i64 0")
        limit = self._code.integer("mul", inner, factors.step)
        part = self._code.integer("mul", number("udiv", number("add", inner, size - 1), size), factors.step)

        def turn(r: str, carried: list[str]) -> list[str]:
            if self._product.fetches:
                self._fetch(top, r)
            end = self._code.smaller(number("add", carried[0], part), limit)
            kinds = [kind for kind, _ in self._zeros()]
            carried = self._sum(end, list(zip(kinds, carried, strict=True)), factors)
            code.when(code.value(f"icmp slt i64 {r}, {height}"), lambda: self._finish_kept(r, last))
            return carried

        self._keep(code.loop(0, size, 1, turn, self._zeros())[2:])
        return []

    def _fetch(self, top: str, r: str) -> None:
        for column in self._panel.columns:
            place = [*self._area.outer, Affine({top: 1, r: 1}), column]
            self._writer.fetch(tuple(map(self._b.at, place)))

    def _keep(self, sums: list[str]) -> None:
        lanes = self._panel.lanes * self._product.tile.rows
        for place, (text, some) in enumerate(zip(sums, lanes, strict=True)):
            whole = self._filled(text, some)
            self._code.do(f"store {self._wide} {whole}, ptr {self._slot(place)}, align 64")

    def _finish_kept(self, r: str, top: str) -> None:
        """Finish a row of the tile that lies on the stack."""
        code, count = self._code, len(self._panel.tails)
        for v in range(count):
            slot = self._slot(self._code.integer("add", self._code.integer("mul", r, count), v))
            total = Element(code.value(f"load {self._wide}, ptr {slot}, align 64"), self._dtype, True)
            self._finish(Affine({top: 1, r: 1}), v, total)

    def _slot(self, place: object) -> str:
        tile = self._product.tile
        self._code.reserve("%tile", f"[{tile.rows * tile.vectors} x {self._wide}]")
        return self._code.value(f"getelementptr {self._wide}, ptr %tile, i64 {place}")

    def _finish(self, row: Affine, v: int, total: Element) -> None:
        """Compute and store what is made of a vector of sums."""
        self._writer.forget()
        self._writer.tail = self._panel.tails[v]
        place = [*self._area.outer, row, self._panel.columns[v]]
        self._writer.finish(tuple(map(self._b.at, place)), total)
        self._writer.tail = None

    # Sums ----------------------------------------------------------------------------------------------

    def _rows(self, tile: str) -> list[Affine]:
        """Return the rows of a tile; where there are no more, those behind, or the last one again."""
        self._writer.forget()
        size, (begin, end) = self._product.tile.rows, self._area.bounds
        top = self._code.integer("add", begin, self._code.integer("mul", tile, size))
        if self._product.goes_on:
            return [Affine({top: 1}, r) for r in range(size)]
        final = self._code.integer("sub", end, 1)
        others = [self._code.smaller(self._code.integer("add", top, r), final) for r in range(1, size)]
        return [Affine({row: 1}) for row in [top, *others]]

    def _factors(self, rows: Sequence[Affine]) -> Factors | ScatteredFactors:
        """Return where the factors of a tile's rows are."""
        left, block, rank = self._product.left, self._area.block, len(self._area.outer)
        if left.buffer.scattered and left.reads_rows_along(rank + 1):
            return ScatteredFactors(left, rows)
        some = rows[:1] if self._product.goes_on else rows
        starts = [left.address([*self._area.outer, row, Affine({})]) for row in some]
        step = left.distance(rank + 1)
        if block is not None:
            starts = [self._packed(block, row, start) for row, start in zip(some, starts, strict=True)]
            step = self._code.value(f"select i1 {block.packed}, i64 {LANES}, i64 {step}")
        apart = (
            [self._code.integer("mul", left.distance(rank), r) for r in range(len(rows))]
            if len(some) == 1
            else []
        )
        return Factors(left, starts, apart, step)

    def _packed(self, block: Block, row: Affine, start: str) -> str:
        """Return where a row's factors are: where they lie, or where they were packed."""
        number, left = self._code.integer, self._product.left
        offset = number("sub", row.base(self._code), block.begin)
        before = number("mul", number("and", offset, -LANES), self._product.inner)
        place = left.after("%scratch", number("add", before, number("and", offset, LANES - 1)))
        return self._code.value(f"select i1 {block.packed}, ptr {place}, ptr {start}")

    def _zeros(self) -> list[tuple[str, str]]:
        """Return what a sum begins with: the places in both operands, and zeros."""
        row = [(self._type(lanes), "zeroinitializer") for lanes in self._panel.lanes]
        return [("i64", "0"), ("i64", "0"), *row * self._product.tile.rows]

    def _whole_sum(self, rows: Sequence[Affine]) -> list[str]:
        """Return the sums of a tile over all k."""
        factors = self._factors(rows)
        end = self._code.integer("mul", self._product.inner, factors.step)
        return self._sum(end, self._zeros(), factors)[2:]

    def _sum(
        self, end: str, carried: Sequence[tuple[str, str]], factors: Factors | ScatteredFactors
    ) -> list[str]:
        """Write the loop over k up to an end: every row's factor times a row of the panel.

        The place in the left operand is what counts.
        """
        (_, begin), *sums = carried
        panel, operand, right = self._panel, self._product.right, self._right

        def turn(at_left: str, held: list[str]) -> list[str]:
            at_right, *sums = held
            row = operand.after(right.start, at_right)
            ys = [operand.vector(operand.after(row, LANES * v), tail) for v, tail in enumerate(panel.tails)]
            cut = [self._first(y.text, lanes) for y, lanes in zip(ys, panel.lanes, strict=True)]
            results = []
            for number, x in enumerate(map(self._b.spread, factors.at(at_left))):
                for v, (y, lanes) in enumerate(zip(cut, panel.lanes, strict=True)):
                    total = sums[number * len(cut) + v]
                    results.append(self._add_product(self._first(x.text, lanes), y, total, lanes))
            return [self._code.integer("add", at_right, right.step), *results]

        results = self._code.loop(begin, end, factors.step, turn, sums)
        return [end, *results]

    # Vectors of which not all lanes are columns ----------------------------------------------------------

    def _type(self, lanes: int) -> str:
        return f"<{lanes} x {SCALARS[self._dtype]}>"

    def _first(self, text: str, lanes: int) -> str:
        """Return the first lanes of a vector."""
        if lanes == LANES:
            return text
        order = ", ".join(f"i32 {lane}" for lane in range(lanes))
        return self._code.value(
            f"shufflevector {self._wide} {text}, {self._wide} poison, <{lanes} x i32> <{order}>"
        )

    def _filled(self, text: str, lanes: int) -> str:
        """Return a vector whose first lanes are these, and whose others are zero."""
        if lanes == LANES:
            return text
        order = ", ".join(f"i32 {min(lane, lanes)}" for lane in range(LANES))
        kind = self._type(lanes)
        return self._code.value(
            f"shufflevector {kind} {text}, {kind} zeroinitializer, <{LANES} x i32> <{order}>"
        )

    def _add_product(self, x: str, y: str, total: str, lanes: int) -> str:
        kind, suffix = self._type(lanes), mangled(SCALARS[self._dtype])
        return self._code.call(
            kind, f"llvm.fmuladd.v{lanes}{suffix}", f"{kind} {x}, {kind} {y}, {kind} {total}"
        )
