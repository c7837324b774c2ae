"""Matrices times vectors: sums over a vector of rows at a time, or of k, whichever lie side by side.

A tile would write a whole vector for its single column. An array has no room for that: it would lie over the
elements that follow, and at the end over another array.
"""

from __future__ import annotations

from chainrule.compiler.builder import Element
from chainrule.compiler.code import LANES
from chainrule.compiler.index import Affine, affines
from chainrule.compiler.loops import Index, KernelWriter, across_lanes, extent_of
from chainrule.compiler.operand import Operand


def write_column(writer: KernelWriter, left: Operand, right: Operand) -> None:
    """Write the loops of a contraction whose result has a single column."""
    root = writer.kernel.root
    assert root is not None
    code, b, dtype = writer.code, writer.b, root.dtype.name
    wide = _stride(left, -2) != 1  # the vector runs over k
    inner = extent_of(left.value.shape[-1])

    def at_row(index: Index) -> None:
        *batch, row, column = affines(index)
        zero = b.constant(0, dtype)
        start = b.spread(zero) if wide or any(place.lanes for place in (*batch, row)) else zero
        outer_tail = writer.tail

        def turn(k: str, carried: list[str]) -> list[str]:
            tail = writer.below(k, inner) if wide else outer_tail
            at = Affine({k: 1}, 0, int(wide))
            x = left.load([*batch, row, at], tail)
            w = right.load([*batch, at, column], tail)
            product = b.fma(x, w, Element(carried[0], dtype, start.vector))
            if wide and tail is not None:
                product = b.select(tail, product, Element(carried[0], dtype, start.vector))
            return [product.text]

        (text,) = code.loop(0, inner, LANES if wide else 1, turn, [(start.type, start.text)])
        total = Element(text, dtype, start.vector)
        if wide:
            total = across_lanes(writer, b.add, total)
        writer.forget()
        writer.tail = outer_tail
        writer.finish(index, total)

    writer.nest(root.shape, at_row, vector=not wide)


def _stride(operand: Operand, axis: int) -> int:
    """Return the distance in memory of neighbours along the last axis (-1) or the one before it (-2)."""
    name = f"%{operand.value.ndim + axis}"
    total = 0
    for affine, stride in zip(operand.indices, operand.buffer.strides, strict=True):
        if name in affine.terms:
            total += affine.terms[name] * stride.elements if not stride.power else 0
    return total
