"""Whether all numbers of some arrays are finite: 0 · x is 0 for all of them, or else NaN for some.

The bits of these products are joined by *or*, which takes a fourth of the time of a sum: of zeros, with
either sign, a zero comes, and with a NaN a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from chainrule.compiler.access import first_element, from_table, share_of_part
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code
from chainrule.compiler.packing import Vectors
from chainrule.compiler.sharing import PART_ARGUMENTS
from chainrule.graph.value import Value

_FLOATS = ("float32", "float64")
_NAN = "0x7FF8000000000000"
#: Numbers that lie without a gap are taken as rows of this length, since threads share out whole rows.
_ROW = 64 * LANES


def write_check(arrays: Iterable[tuple[Value, Buffer]], total: Buffer) -> list[Code]:
    """Return the function ``check``, whose parts leave NaN in `total` if they find one, and what it calls.

    Parameters
    ----------
    arrays : iterable of (Value, Buffer)
        The types of arrays, of fixed shapes, and where they lie, which is in the same memory as the total;
        those of whole numbers are passed over.
    total : Buffer
        Where that belongs, a float64 that is 0 before.
    """
    code = Code("check", PART_ARGUMENTS)
    blocks: dict[str, list[int]] = {dtype: [] for dtype in _FLOATS}
    for value, buffer in arrays:
        if buffer.dtype in _FLOATS:
            blocks[buffer.dtype] += _blocks(value, buffer)
    memory, result = from_table(code, total.slot), first_element(code, total)
    used = [dtype for dtype in _FLOATS if blocks[dtype]]
    for dtype in used:
        numbers = blocks[dtype]
        given = f"ptr {code.numbers(numbers)}, i64 {len(numbers)}, i64 %part, i64 %parts"
        code.do(f"call void @zeros.{dtype}(ptr {memory}, {given}, ptr {result})")
    return [code, *(_zeros(dtype) for dtype in used)]


def _blocks(value: Value, buffer: Buffer) -> Iterator[int]:
    """Yield the numbers of blocks of rows, four of each: its offset, rows, columns and the stride of rows."""
    if buffer.panel:
        height, width = int(value.shape[0]), buffer.panel
        panels, rest = divmod(int(value.shape[1]), width)
        behind = panels * height * width * BYTES[buffer.dtype]
        yield from (buffer.offset, panels * height, width, width)
        yield from (buffer.offset + behind, height, rest, width)
        return
    axes = [axis for axis, size in enumerate(value.shape) if size != 1]
    *before, columns = [int(value.shape[axis]) for axis in axes] or [1]
    rows = math.prod(before)
    stride = buffer.strides[axes[-2]].elements if before else columns
    if stride != columns:
        yield from (buffer.offset, rows, columns, stride)
        return
    whole, rest = divmod(rows * columns, _ROW)
    yield from (buffer.offset, whole, _ROW, _ROW)
    yield from (buffer.offset + whole * _ROW * BYTES[buffer.dtype], 1, rest, 0)


def _zeros(dtype: str) -> Code:
    """Return the function that leaves NaN in a total if this part's rows have a number that is not finite."""
    code = Code(f"zeros.{dtype}", "ptr %memory, ptr %blocks, i64 %numbers, i64 %part, i64 %parts, ptr %total")
    vectors, scalar = Vectors(code, dtype), SCALARS[dtype]
    integer = f"i{8 * BYTES[dtype]}"
    kind, bits = vectors.type, f"<{LANES} x {integer}>"
    whole = vectors.mask(str(LANES))

    def joined(address: str, mask: str, before: str) -> str:
        nothing = code.value(f"fmul {kind} {vectors.load(address, mask)}, zeroinitializer")
        return code.value(f"or {bits} {before}, {code.value(f'bitcast {kind} {nothing} to {bits}')}")

    def block(place: str, carried: list[str]) -> list[str]:
        first = code.value(f"getelementptr i64, ptr %blocks, i64 {place}")
        offset, rows, columns, stride = (
            code.value(f"load i64, ptr {code.value(f'getelementptr i64, ptr {first}, i64 {i}')}")
            for i in range(4)
        )
        array = code.value(f"getelementptr i8, ptr %memory, i64 {offset}")
        full = code.value(f"and i64 {columns}, {-LANES}")
        rest = vectors.mask(code.value(f"sub i64 {columns}, {full}"))
        begin, end = share_of_part(code, rows)

        def row(number: str, found: list[str]) -> list[str]:
            start = vectors.after(array, code.value(f"mul i64 {number}, {stride}"))

            def some(column: str, found: list[str]) -> list[str]:
                return [joined(vectors.after(start, column), whole, found[0])]

            (of_row,) = code.loop(0, full, LANES, some, [(bits, found[0])])
            return [joined(vectors.after(start, full), rest, of_row)]

        return code.loop(begin, end, 1, row, [(bits, carried[0])])

    (found,) = code.loop(0, "%numbers", 4, block, [(bits, "zeroinitializer")])
    one = code.call(integer, f"llvm.vector.reduce.or.v{LANES}{integer}", f"{bits} {found}")
    spoilt = code.value(f"fcmp uno {scalar} {code.value(f'bitcast {integer} {one} to {scalar}')}, 0.0")
    code.when(spoilt, lambda: code.do(f"store atomic double {_NAN}, ptr %total monotonic, align 8"))
    return code
