"""Whether all numbers of some arrays are finite: 0 · x is 0 for all of them, or else NaN for some.

The bits of these products are joined by *or*, which takes a fourth of the time of a sum: of zeros, with
either sign, a zero comes, and with a NaN a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from chainrule.compiler.access import first_element, from_table
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code
from chainrule.compiler.packing import Vectors
from chainrule.compiler.sharing import PART_ARGUMENTS
from chainrule.graph.value import Value

_FLOATS = ("float32", "float64")


def write_check(arrays: Iterable[tuple[Value, Buffer]], total: Buffer) -> list[Code]:
    """Return the function ``check``, which leaves 0 or NaN in `total`, and what it calls.

    Parameters
    ----------
    arrays : iterable of (Value, Buffer)
        The types of arrays, of fixed shapes, and where they lie; those of whole numbers are passed over.
    total : Buffer
        Where that belongs, a float64.
    """
    told: dict[str, list[int]] = {}
    for value, buffer in arrays:
        if buffer.dtype in _FLOATS:
            told.setdefault(buffer.dtype, []).extend((buffer.slot, buffer.offset, *_extent(value, buffer)))
    code = Code("check", PART_ARGUMENTS)
    result = first_element(code, total)
    code.do(f"store double 0.0, ptr {result}")
    for dtype, numbers in told.items():
        _write_checks(code, dtype, numbers, result)
    return [code, *(_zeros(dtype) for dtype in told)]


def _extent(value: Value, buffer: Buffer) -> tuple[int, int, int]:
    """Return how many rows an array has, how long they are, and how many elements lie between two."""
    axes = [axis for axis, size in enumerate(value.shape) if size != 1]
    sizes = [int(value.shape[axis]) for axis in axes] or [1]
    stride = buffer.strides[axes[-2]].elements if len(axes) > 1 else 0
    if stride == sizes[-1]:  # rows that lie without a gap are one
        sizes = [1, math.prod(sizes)]
    return math.prod(sizes[:-1]), sizes[-1], stride


def _write_checks(code: Code, dtype: str, numbers: Sequence[int], result: str) -> None:
    """Write the loop over arrays of one dtype; five numbers tell of each where it lies and its extent."""
    first = code.numbers(numbers)

    def check(number: str, _: list[str]) -> list[str]:
        own = code.value(f"getelementptr [5 x i64], ptr {first}, i64 {number}")
        places = (code.value(f"getelementptr i64, ptr {own}, i64 {place}") for place in range(5))
        slot, offset, rows, columns, stride = [code.value(f"load i64, ptr {place}") for place in places]
        array = code.value(f"getelementptr i8, ptr {from_table(code, slot)}, i64 {offset}")
        given = f"i64 {rows}, i64 {columns}, i64 {stride}"
        code.do(f"call void @zeros.{dtype}(ptr {array}, {given}, ptr {result})")
        return []

    code.loop(0, len(numbers) // 5, 1, check)


def _zeros(dtype: str) -> Code:
    """Return the function that adds to a sum 0, or NaN where an array has a number that is not finite."""
    code = Code(f"zeros.{dtype}", "ptr %array, i64 %rows, i64 %columns, i64 %stride, ptr %sum")
    vectors, scalar = Vectors(code, dtype), SCALARS[dtype]
    integer = f"i{8 * BYTES[dtype]}"
    kind, bits = vectors.type, f"<{LANES} x {integer}>"
    whole = vectors.mask(str(LANES))
    full = code.value(f"and i64 %columns, {-LANES}")

    def joined(address: str, mask: str, before: str) -> str:
        nothing = code.value(f"fmul {kind} {vectors.load(address, mask)}, zeroinitializer")
        return code.value(f"or {bits} {before}, {code.value(f'bitcast {kind} {nothing} to {bits}')}")

    def row(number: str, carried: list[str]) -> list[str]:
        start = vectors.after("%array", code.value(f"mul i64 {number}, %stride"))

        def some(column: str, found: list[str]) -> list[str]:
            return [joined(vectors.after(start, column), whole, found[0])]

        (found,) = code.loop(0, full, LANES, some, [(bits, carried[0])])
        rest = vectors.mask(code.value(f"sub i64 %columns, {full}"))
        return [joined(vectors.after(start, full), rest, found)]

    (found,) = code.loop(0, "%rows", 1, row, [(bits, "zeroinitializer")])
    one = code.call(integer, f"llvm.vector.reduce.or.v{LANES}{integer}", f"{bits} {found}")
    part = code.value(f"bitcast {integer} {one} to {scalar}")
    wide = part if scalar == "double" else code.value(f"fpext float {part} to double")
    before = code.value("load double, ptr %sum")
    code.do(f"store double {code.value(f'fadd double {before}, {wide}')}, ptr %sum")
    return code
