"""Whether all numbers of some arrays are finite: the sum of 0 · x over all of them is 0, or else NaN."""

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


def write_check(arrays: Iterable[tuple[Value, Buffer]], total: Buffer) -> list[Code]:
    """Return the function ``check``, which leaves such a sum in `total`, and what it calls.

    Parameters
    ----------
    arrays : iterable of (Value, Buffer)
        The types of arrays, of fixed shapes, and where they lie; those of whole numbers are passed over.
    total : Buffer
        Where the sum belongs, a float64.
    """
    code, used = Code("check", PART_ARGUMENTS), set()
    result = first_element(code, total)
    code.do(f"store double 0.0, ptr {result}")
    for value, buffer in arrays:
        if buffer.dtype not in _FLOATS:
            continue
        used.add(buffer.dtype)
        axes = [axis for axis, size in enumerate(value.shape) if size != 1]
        sizes = [int(value.shape[axis]) for axis in axes] or [1]
        stride = buffer.strides[axes[-2]].elements if len(axes) > 1 else 0
        given = f"i64 {math.prod(sizes[:-1])}, i64 {sizes[-1]}, i64 {stride}"
        code.do(f"call void @zeros.{buffer.dtype}(ptr {first_element(code, buffer)}, {given}, ptr {result})")
    return [code, *(_zeros(dtype) for dtype in sorted(used))]


def _zeros(dtype: str) -> Code:
    """Return the function that adds 0 · x over an array to a sum."""
    code = Code(f"zeros.{dtype}", "ptr %array, i64 %rows, i64 %columns, i64 %stride, ptr %sum")
    vectors, scalar = Vectors(code, dtype), SCALARS[dtype]
    kind, zeros = vectors.type, "zeroinitializer"

    def row(number: str, carried: list[str]) -> list[str]:
        start = vectors.after("%array", code.value(f"mul i64 {number}, %stride"))

        def some(column: str, sums: list[str]) -> list[str]:
            mask = vectors.mask(code.value(f"sub i64 %columns, {column}"))
            x = vectors.load(vectors.after(start, column), mask)
            nothing = code.value(f"fmul {kind} {x}, {zeros}")
            return [code.value(f"fadd {kind} {sums[0]}, {nothing}")]

        return code.loop(0, "%columns", LANES, some, [(kind, carried[0])])

    (sums,) = code.loop(0, "%rows", 1, row, [(kind, zeros)])
    suffix = f"v{LANES}f{8 * BYTES[dtype]}"
    part = code.call(scalar, f"llvm.vector.reduce.fadd.{suffix}", f"{scalar} 0.0, {kind} {sums}")
    wide = part if scalar == "double" else code.value(f"fpext float {part} to double")
    before = code.value("load double, ptr %sum")
    code.do(f"store double {code.value(f'fadd double {before}, {wide}')}, ptr %sum")
    return code
