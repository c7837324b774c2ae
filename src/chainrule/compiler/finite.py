"""Whether all numbers of some arrays are finite: 0 · x is 0 for all of them, or else NaN for some.

The bits of these products are joined by *or*, which takes a fourth of the time of a sum: of zeros, with
either sign, a zero comes, and with a NaN a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from chainrule.compiler.access import first_element
from chainrule.compiler.buffer import Buffer
from chainrule.compiler.code import BYTES, LANES, SCALARS, Code
from chainrule.compiler.packing import Vectors
from chainrule.compiler.sharing import PART_ARGUMENTS
from chainrule.graph.value import Value

_FLOATS = ("float32", "float64")
_NAN = "0x7FF8000000000000"


def write_check(arrays: Iterable[tuple[Value, Buffer]], total: Buffer) -> list[Code]:
    """Return the function ``check``, whose parts leave NaN in `total` if they find one, and what it calls.

    Parameters
    ----------
    arrays : iterable of (Value, Buffer)
        The types of arrays, of fixed shapes, and where they lie; those of whole numbers are passed over.
    total : Buffer
        Where that belongs, a float64 that is 0 before.
    """
    code, used = Code("check", PART_ARGUMENTS), set()
    result = first_element(code, total)
    for value, buffer in arrays:
        if buffer.dtype not in _FLOATS:
            continue
        used.add(buffer.dtype)
        axes = [axis for axis, size in enumerate(value.shape) if size != 1]
        sizes = [int(value.shape[axis]) for axis in axes] or [1]
        stride = buffer.strides[axes[-2]].elements if len(axes) > 1 else 0
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        if stride == columns or rows == 1:  # rows that lie without a gap are one
            start, count = _share(code, rows * columns, LANES)
            sizes_of_part = f"i64 1, i64 {count}, i64 0"
        else:
            row, count = _share(code, rows, 1)
            start = code.value(f"mul i64 {row}, {stride}")
            sizes_of_part = f"i64 {count}, i64 {columns}, i64 {stride}"
        array = Vectors(code, buffer.dtype).after(first_element(code, buffer), start)
        code.do(f"call void @zeros.{buffer.dtype}(ptr {array}, {sizes_of_part}, ptr {result})")
    return [code, *(_zeros(dtype) for dtype in sorted(used))]


def _share(code: Code, total: int, unit: int) -> tuple[str, str]:
    """Return which of so many elements this part looks at, in whole units: the first, and how many."""
    units = -(-total // unit)
    first, end = (
        code.smaller(code.integer("mul", code.value(f"udiv i64 {product}, %parts"), unit), total)
        for product in (
            code.value(f"mul i64 %part, {units}"),
            code.value(f"mul i64 {code.value('add i64 %part, 1')}, {units}"),
        )
    )
    return first, code.value(f"sub i64 {end}, {first}")


def _zeros(dtype: str) -> Code:
    """Return the function that leaves NaN in a total if an array has a number that is not finite."""
    code = Code(f"zeros.{dtype}", "ptr %array, i64 %rows, i64 %columns, i64 %stride, ptr %total")
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
    total = code.value(f"bitcast {integer} {one} to {scalar}")
    spoilt = code.value(f"fcmp uno {scalar} {total}, 0.0")
    code.when(spoilt, lambda: code.do(f"store atomic double {_NAN}, ptr %total monotonic, align 8"))
    return code
