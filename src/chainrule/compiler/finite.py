"""Whether all numbers of some arrays are finite: 0 · x is 0 for all of them, or else NaN for some.

The bits of these products are joined by *or*, which takes a fourth of the time of a sum: of zeros, with
either sign, a zero comes, and with a NaN a NaN. What takes longest is to read the numbers, so that who looks
at weights after an epoch gets copies made in the same pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from chainrule.compiler.access import first_element, from_table, share_of_part
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code
from chainrule.compiler.control import Control
from chainrule.compiler.control_code import ControlCode
from chainrule.compiler.packing import Vectors
from chainrule.compiler.table import LINE
from chainrule.graph.types import static_size
from chainrule.graph.value import Value

_FLOATS = ("float32", "float64")
_NAN = "0x7FF8000000000000"
#: Numbers that lie without a gap are taken as rows of this length, since threads share out whole rows.
_ROW = 64 * LANES


def places_of_copies(arrays: Mapping[str, tuple[Value, Buffer]]) -> tuple[dict[str, int], int]:
    """Return where in one piece of memory each array's copy begins, and how many bytes it has."""
    places, size = dict[str, int](), 0
    for name, (value, buffer) in arrays.items():
        if buffer.dtype in _FLOATS:
            places[name] = size
            size += -(-static_size(value.shape) * BYTES[buffer.dtype] // LINE) * LINE
    return places, size


def write_check(arrays: Iterable[tuple[Value, Buffer, int]], total: Buffer) -> list[Code]:
    """Return what the function ``check`` calls, and that, whose parts leave NaN in `total` if they find one.

    After the end of an epoch it copies what it looks at to where `Control.COPIES` says, if that is not 0.

    Parameters
    ----------
    arrays : iterable of (Value, Buffer, int)
        The types of arrays of floats, of fixed shapes; where they lie, which is in the same memory as the
        total; and where among the copies theirs begins.
    total : Buffer
        Where that belongs, a float64 that is 0 before.
    """
    f = ControlCode("check")
    code = f.code
    blocks: dict[str, list[int]] = {dtype: [] for dtype in _FLOATS}
    for value, buffer, place in arrays:
        blocks[buffer.dtype] += chain.from_iterable(_blocks(value, buffer, place))
    memory, result = from_table(code, total.slot), first_element(code, total)
    ended = code.value(f"icmp ne i64 {f.get(Control.ENDED)}, 0")
    copies = code.value(f"select i1 {ended}, ptr {f.get(Control.COPIES, 'ptr')}, ptr null")
    used = {dtype: numbers for dtype, numbers in blocks.items() if numbers}
    for dtype, numbers in used.items():
        given = f"ptr {memory}, ptr {code.numbers(numbers)}, i64 {len(numbers)}, i64 %part, i64 %parts"
        code.do(f"call void @zeros.{dtype}({given}, ptr {result}, ptr {copies})")
    return [*(_Zeros(dtype).write() for dtype in used), code]


class _Block(NamedTuple):
    """Rows of an array, as numbers, or as the values of native code that hold these."""

    offset: Any  # where it begins, in bytes of the memory
    rows: Any
    columns: Any  # of a piece
    stride: Any  # how many elements rows lie apart
    to_offset: Any  # the copy's, in bytes of the copies
    to_stride: Any
    pieces: Any = 1  # of how many a row consists: one, but for panels
    apart: Any = 0  # how many elements these lie apart


def _blocks(value: Value, buffer: Buffer, place: int) -> Iterator[_Block]:
    """Yield what an array consists of, whose copy begins at a place."""
    size = BYTES[buffer.dtype]
    if buffer.panel:
        (height, columns), width = map(int, value.shape), buffer.panel
        panels, rest = divmod(columns, width)
        done = panels * width
        yield _Block(buffer.offset, height, width, width, place, columns, panels, height * width)
        yield _Block(buffer.offset + done * height * size, height, rest, width, place + done * size, columns)
        return
    axes = [axis for axis, length in enumerate(value.shape) if length != 1]
    *before, columns = [int(value.shape[axis]) for axis in axes] or [1]
    rows = math.prod(before)
    stride = buffer.strides[axes[-2]].elements if before else columns
    if stride != columns:
        yield _Block(buffer.offset, rows, columns, stride, place, columns)
        return
    whole, rest = divmod(rows * columns, _ROW)
    after = whole * _ROW * size
    yield _Block(buffer.offset, whole, _ROW, _ROW, place, _ROW)
    yield _Block(buffer.offset + after, 1, rest, 0, place + after, 0)


#: How many numbers tell of a block.
_NUMBERS = len(_Block._fields)
#: Where numbers lie, and where their copies go.
_Start: TypeAlias = tuple[str, str]


class _Columns(NamedTuple):
    """The columns of a piece: how many, how many of them fill vectors, and the mask of the others."""

    all: str
    full: str
    rest: str


class _Zeros:
    """Writes the function that leaves NaN in a total if this part's rows have a number that is not finite.

    It copies them, unless there is no place for it. Loops stand in each other: each is told where it begins.

    Parameters
    ----------
    dtype : str
        Of the numbers.
    """

    def __init__(self, dtype: str) -> None:
        arguments = "ptr %memory, ptr %blocks, i64 %numbers, i64 %part, i64 %parts, ptr %total, ptr %copies"
        self._code = code = Code(f"zeros.{dtype}", arguments)
        self._vectors = vectors = Vectors(code, dtype)
        self._scalar, self._integer = SCALARS[dtype], f"i{8 * BYTES[dtype]}"
        self._bits = f"<{LANES} x {self._integer}>"
        self._whole = vectors.mask(str(LANES))
        self._copied = code.value("icmp ne ptr %copies, null")

    def write(self) -> Code:
        """Write it."""
        code, integer, scalar = self._code, self._integer, self._scalar
        found = self._joined(0, "%numbers", _NUMBERS, self._block, "zeroinitializer")
        one = code.call(integer, f"llvm.vector.reduce.or.v{LANES}{integer}", f"{self._bits} {found}")
        number = code.value(f"bitcast {integer} {one} to {scalar}")
        is_nan = code.value(f"fcmp uno {scalar} {number}, 0.0")
        code.when(is_nan, lambda: code.do(f"store atomic double {_NAN}, ptr %total monotonic, align 8"))
        return code

    def _joined(
        self, begin: str | int, end: str, step: int, body: Callable[[str, str], str], found: str
    ) -> str:
        """Write a loop whose body joins what it finds to what was found before; return all of it."""
        carried = [(self._bits, found)]
        return self._code.loop(begin, end, step, lambda i, found: [body(i, *found)], carried)[0]

    def _block(self, place: str, found: str) -> str:
        code = self._code
        numbers = code.value(f"getelementptr i64, ptr %blocks, i64 {place}")
        places = (code.value(f"getelementptr i64, ptr {numbers}, i64 {i}") for i in range(_NUMBERS))
        block = _Block(*(code.value(f"load i64, ptr {place}") for place in places))
        array = code.value(f"getelementptr i8, ptr %memory, i64 {block.offset}")
        copy = code.value(f"getelementptr i8, ptr %copies, i64 {block.to_offset}")
        full = code.value(f"and i64 {block.columns}, {-LANES}")
        rest = self._vectors.mask(code.value(f"sub i64 {block.columns}, {full}"))
        columns = _Columns(block.columns, full, rest)
        begin, end = share_of_part(code, block.rows)
        return self._joined(begin, end, 1, partial(self._row, block, columns, (array, copy)), found)

    def _row(self, block: _Block, columns: _Columns, first: _Start, number: str, found: str) -> str:
        start = self._moved(first, number, block.stride, block.to_stride)
        return self._joined(0, block.pieces, 1, partial(self._piece, block.apart, columns, start), found)

    def _piece(self, apart: str, columns: _Columns, first: _Start, number: str, found: str) -> str:
        start = self._moved(first, number, apart, columns.all)
        found = self._joined(0, columns.full, LANES, partial(self._vector, start, self._whole), found)
        rest = partial(self._vector, start, columns.rest)
        return self._joined(columns.full, columns.all, LANES, rest, found)

    def _vector(self, start: _Start, mask: str, column: str, found: str) -> str:
        code, vectors = self._code, self._vectors
        address, to = (vectors.after(one, column) for one in start)
        numbers = vectors.load(address, mask)
        code.when(self._copied, lambda: vectors.store_part(numbers, to, mask))
        nothing = code.value(f"fmul {vectors.type} {numbers}, zeroinitializer")
        bits = code.value(f"bitcast {vectors.type} {nothing} to {self._bits}")
        return code.value(f"or {self._bits} {found}, {bits}")

    def _moved(self, start: _Start, number: str, stride: str, to_stride: str) -> _Start:
        """Return addresses so many strides later."""
        first = self._vectors.after(start[0], self._code.value(f"mul i64 {number}, {stride}"))
        return first, self._vectors.after(start[1], self._code.value(f"mul i64 {number}, {to_stride}"))
