"""What packs the operands of products: functions that a module has once, and all its kernels call.

Packed rows follow each other without a gap, and are as wide as a tile: its loop streams through a few pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

from chainrule.compiler.code import BYTES, LANES, SCALARS, Code, mangled
from chainrule.compiler.table import LINE

#: Columns are turned in squares of so many rows and columns.
_SQUARE = 8
_ARGUMENTS = "ptr %from, i64 %step, i64 %rows, i64 %columns, ptr %to, i64 %width"


@dataclass(frozen=True)
class Packing:
    """What is packed where: i64 and ptr values.

    Attributes
    ----------
    source : str
        The address of the first element.
    step : str
        How many elements later the next row begins; where columns are packed as rows, the next column.
    rows, columns : str
        How many there are in the packed form.
    to : str
        Its address: a multiple of 64.
    width : str
        How many elements its rows lie apart: as many whole vectors as the columns need, or more. Where
        columns are packed as rows, there is room for whole vectors of these.
    """

    source: str
    step: str
    rows: str
    columns: str
    to: str
    width: str


def pack_rows(code: Code, dtype: str, packing: Packing, vectors: int, full: bool) -> None:
    """Have rows packed whose elements are neighbours in memory.

    Parameters
    ----------
    code : Code
        Where.
    dtype : str
        Of what is packed.
    packing : Packing
        What, and where.
    vectors : int
        How many a row has.
    full : bool
        Whether columns fill the last of them.
    """

    def write(function: Code, access: Vectors) -> None:
        _write_rows(function, access, vectors, full)

    name = f"pack_rows.{dtype}.{vectors}{'' if full else '.part'}"
    _call(code, dtype, packing, name, write)


def pack_columns(code: Code, dtype: str, packing: Packing) -> None:
    """Have columns packed as rows: squares are loaded, turned and stored."""
    _call(code, dtype, packing, f"pack_columns.{dtype}", _write_columns, lanes=_SQUARE)


def _call(
    code: Code,
    dtype: str,
    packing: Packing,
    name: str,
    write: Callable[[Code, Vectors], None],
    *,
    lanes: int = LANES,
) -> None:
    function = Code(name, _ARGUMENTS)
    write(function, Vectors(function, dtype, lanes))
    code.define(function)
    types = ("ptr", "i64", "i64", "i64", "ptr", "i64")
    given = ", ".join(f"{kind} {value}" for kind, value in zip(types, astuple(packing), strict=True))
    code.do(f"call void @{function.name}({given})")


class Vectors:
    """Loads and stores vectors of one dtype."""

    def __init__(self, code: Code, dtype: str, lanes: int = LANES) -> None:
        self.code = code
        self.lanes = lanes
        self.scalar = SCALARS[dtype]
        self.type = f"<{lanes} x {self.scalar}>"
        self.align = BYTES[dtype]

    def after(self, address: str, elements: str) -> str:
        """Return the address so many elements later."""
        return self.code.value(f"getelementptr {self.scalar}, ptr {address}, i64 {elements}")

    def mask(self, left: str) -> str:
        """Return which lanes are there, if so many elements are left."""
        code, kind = self.code, f"<{self.lanes} x i64>"
        narrow = code.smaller(left, self.lanes)
        first = code.value(f"insertelement {kind} poison, i64 {narrow}, i64 0")
        limit = code.value(
            f"shufflevector {kind} {first}, {kind} poison, <{self.lanes} x i32> zeroinitializer"
        )
        lanes = ", ".join(f"i64 {lane}" for lane in range(self.lanes))
        return code.value(f"icmp slt {kind} <{lanes}>, {limit}")

    def load(self, address: str, mask: str) -> str:
        """Return the vector at an address; it is zero in lanes that the mask leaves out."""
        arguments = (
            f"ptr {address}, i32 {self.align}, <{self.lanes} x i1> {mask}, {self.type} zeroinitializer"
        )
        load = f"llvm.masked.load.v{self.lanes}{mangled(self.scalar)}.p0"
        return self.code.call(self.type, load, arguments)

    def load_whole(self, address: str) -> str:
        """Return the vector at an address."""
        return self.code.value(f"load {self.type}, ptr {address}, align {self.align}")

    def store(self, vector: str, address: str) -> None:
        """Store a vector at a multiple of its size."""
        size = min(self.lanes * self.align, LINE)
        self.code.do(f"store {self.type} {vector}, ptr {address}, align {size}")

    def store_part(self, vector: str, address: str, mask: str) -> None:
        """Store the lanes of the mask."""
        arguments = f"{self.type} {vector}, ptr {address}, i32 {self.align}, <{self.lanes} x i1> {mask}"
        self.code.run(f"llvm.masked.store.v{self.lanes}{mangled(self.scalar)}.p0", arguments)


def _write_rows(code: Code, access: Vectors, vectors: int, full: bool) -> None:
    mask = "" if full else access.mask(code.value(f"sub i64 %columns, {LANES * (vectors - 1)}"))

    def row(_: str, places: list[str]) -> list[str]:
        source, to = access.after("%from", places[0]), access.after("%to", places[1])
        for v in range(vectors):
            address = access.after(source, str(LANES * v))
            part = v == vectors - 1 and not full
            x = access.load(address, mask) if part else access.load_whole(address)
            access.store(x, access.after(to, str(LANES * v)))
        return [code.value(f"add i64 {places[0]}, %step"), code.value(f"add i64 {places[1]}, %width")]

    code.loop(0, "%rows", 1, row, [("i64", "0"), ("i64", "0")])


def _write_columns(code: Code, vectors: Vectors) -> None:
    def square(row: str, column: str) -> list[str]:
        mask = vectors.mask(code.integer("sub", "%rows", row))
        left = code.integer("sub", "%columns", column)
        source = vectors.after(vectors.after("%from", row), code.integer("mul", column, "%step"))
        lines = [vectors.load(source, mask)]
        for lane in range(1, vectors.lanes):
            further = code.value(f"icmp sgt i64 {left}, {lane}")  # or the last one again
            source = vectors.after(source, code.value(f"select i1 {further}, i64 %step, i64 0"))
            lines.append(vectors.load(source, mask))
        to = vectors.after(vectors.after("%to", column), code.integer("mul", row, "%width"))
        for line in _turned(vectors, lines):
            vectors.store(line, to)
            to = vectors.after(to, "%width")
        return []

    size = vectors.lanes
    code.loop(
        0,
        "%rows",
        size,
        lambda row, _: code.loop(0, "%columns", size, lambda column, _: square(row, column)),
    )


def _turned(vectors: Vectors, lines: list[str]) -> list[str]:
    """Transpose a square of lanes: its quarters are swapped, then the quarters of these, and so on."""
    code, kind, size = vectors.code, vectors.type, vectors.lanes
    square = list(lines)
    half = size // 2
    while half:
        for upper in (row for row in range(size) if not row & half):
            lower = upper + half
            a, b = square[upper], square[lower]
            for row, near, far in ((upper, 0, size - half), (lower, half, size)):
                order = ", ".join(f"i32 {lane + (far if lane & half else near)}" for lane in range(size))
                square[row] = code.value(f"shufflevector {kind} {a}, {kind} {b}, <{size} x i32> <{order}>")
        half //= 2
    return square
