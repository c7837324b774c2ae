"""Whether all numbers of some arrays are finite: 0 · x is 0 for all of them, or else NaN for some.

The bits of these products are joined by *or*, which takes a fourth of the time of a sum: of zeros, with
either sign, a zero comes, and with a NaN a NaN. What takes longest is to read the numbers, so that who looks
at weights after an epoch gets copies made in the same pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

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
#: How many numbers tell of a block.
_NUMBERS = 8


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
        blocks[buffer.dtype] += _blocks(value, buffer, place)
    memory, result = from_table(code, total.slot), first_element(code, total)
    ended = code.value(f"icmp ne i64 {f.get(Control.ENDED)}, 0")
    copies = code.value(f"select i1 {ended}, ptr {f.get(Control.COPIES, 'ptr')}, ptr null")
    used = {dtype: numbers for dtype, numbers in blocks.items() if numbers}
    for dtype, numbers in used.items():
        given = f"ptr {memory}, ptr {code.numbers(numbers)}, i64 {len(numbers)}, i64 %part, i64 %parts"
        code.do(f"call void @zeros.{dtype}({given}, ptr {result}, ptr {copies})")
    return [*map(_zeros, used), code]


def _blocks(value: Value, buffer: Buffer, place: int) -> Iterator[int]:
    """Yield the numbers of blocks of rows.

    They are the offset, rows, columns and stride, the offset and stride of the copy, and of how many pieces
    a row consists, and how far apart these lie: one, but for panels.
    """
    if buffer.panel:
        (height, columns), width, size = map(int, value.shape), buffer.panel, BYTES[buffer.dtype]
        panels, rest = divmod(columns, width)
        done = panels * width
        yield from (buffer.offset, height, width, width, place, columns, panels, height * width)
        behind = buffer.offset + done * height * size
        yield from (behind, height, rest, width, place + done * size, columns, 1, 0)
        return
    axes = [axis for axis, size in enumerate(value.shape) if size != 1]
    *before, columns = [int(value.shape[axis]) for axis in axes] or [1]
    rows = math.prod(before)
    stride = buffer.strides[axes[-2]].elements if before else columns
    if stride != columns:
        yield from (buffer.offset, rows, columns, stride, place, columns, 1, 0)
        return
    whole, rest = divmod(rows * columns, _ROW)
    after = whole * _ROW * BYTES[buffer.dtype]
    yield from (buffer.offset, whole, _ROW, _ROW, place, _ROW, 1, 0)
    yield from (buffer.offset + after, 1, rest, 0, place + after, 0, 1, 0)


def _zeros(dtype: str) -> Code:
    """Return the function that leaves NaN in a total if this part's rows have a number that is not finite.

    It copies them, unless there is no place for it.
    """
    arguments = "ptr %memory, ptr %blocks, i64 %numbers, i64 %part, i64 %parts, ptr %total, ptr %copies"
    code = Code(f"zeros.{dtype}", arguments)
    vectors, scalar = Vectors(code, dtype), SCALARS[dtype]
    integer = f"i{8 * BYTES[dtype]}"
    kind, bits = vectors.type, f"<{LANES} x {integer}>"
    whole = vectors.mask(str(LANES))
    copied = code.value("icmp ne ptr %copies, null")

    def joined(address: str, to: str, mask: str, before: str) -> str:
        numbers = vectors.load(address, mask)
        code.when(copied, lambda: vectors.store_part(numbers, to, mask))
        nothing = code.value(f"fmul {kind} {numbers}, zeroinitializer")
        return code.value(f"or {bits} {before}, {code.value(f'bitcast {kind} {nothing} to {bits}')}")

    def block(place: str, carried: list[str]) -> list[str]:
        first = code.value(f"getelementptr i64, ptr %blocks, i64 {place}")
        offset, rows, columns, stride, to_offset, to_stride, pieces, apart = (
            code.value(f"load i64, ptr {code.value(f'getelementptr i64, ptr {first}, i64 {i}')}")
            for i in range(_NUMBERS)
        )
        array = code.value(f"getelementptr i8, ptr %memory, i64 {offset}")
        copy = code.value(f"getelementptr i8, ptr %copies, i64 {to_offset}")
        full = code.value(f"and i64 {columns}, {-LANES}")
        rest = vectors.mask(code.value(f"sub i64 {columns}, {full}"))
        begin, end = share_of_part(code, rows)

        def row(number: str, found: list[str]) -> list[str]:
            first = vectors.after(array, code.value(f"mul i64 {number}, {stride}"))
            to_first = vectors.after(copy, code.value(f"mul i64 {number}, {to_stride}"))

            def piece(which: str, found: list[str]) -> list[str]:
                start = vectors.after(first, code.value(f"mul i64 {which}, {apart}"))
                to = vectors.after(to_first, code.value(f"mul i64 {which}, {columns}"))

                def some(column: str, found: list[str], mask: str = whole) -> list[str]:
                    return [joined(vectors.after(start, column), vectors.after(to, column), mask, found[0])]

                (of_piece,) = code.loop(0, full, LANES, some, [(bits, found[0])])
                return code.loop(full, columns, LANES, partial(some, mask=rest), [(bits, of_piece)])

            return code.loop(0, pieces, 1, piece, [(bits, found[0])])

        return code.loop(begin, end, 1, row, [(bits, carried[0])])

    (found,) = code.loop(0, "%numbers", _NUMBERS, block, [(bits, "zeroinitializer")])
    one = code.call(integer, f"llvm.vector.reduce.or.v{LANES}{integer}", f"{bits} {found}")
    _leave_if_nan(code, code.value(f"bitcast {integer} {one} to {scalar}"), scalar)
    return code


def _leave_if_nan(code: Code, number: str, scalar: str) -> None:
    """Leave NaN in the total if a number is."""
    is_nan = code.value(f"fcmp uno {scalar} {number}, 0.0")
    code.when(is_nan, lambda: code.do(f"store atomic double {_NAN}, ptr %total monotonic, align 8"))
