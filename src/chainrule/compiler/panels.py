"""Which matrices lie in panels: neighbouring columns together, panel behind panel.

A tile of a product reads a panel from one end to the other, and needs no packed copy of it. Threads share the
panels of a weight, in the product that reads it as in the one that updates it: what a core has written is
still in its own cache when it is read again, and no line belongs to two of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from chainrule.compiler.code import LANES
from chainrule.compiler.few_columns import are_few
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.matmul import panels_of, tile_of
from chainrule.compiler.memory import padded_bytes
from chainrule.compiler.reading import operands_in_memory, reads
from chainrule.compiler.schedule import MOST_MATRICES
from chainrule.compiler.views import is_contiguous
from chainrule.graph.lowering import Contraction
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, ArrayType
from chainrule.graph.value import Value


def panels(kernels: Iterable[Kernel]) -> dict[ArrayType, int]:
    """Return the types of the matrices that lie in panels, and how many columns a panel has.

    These are the right operands of products, where they are larger than what a chain of kernels may keep in
    the caches and all panels but the last are equal; no other operand of a product has such a type.
    """
    found: dict[ArrayType, int] = {}
    others, stored = set[ArrayType](), set[int]()
    for kernel in kernels:
        stored |= {value.serial for value in kernel.stored}
        root = kernel.root
        if root is None or not isinstance(lowering_of(root), Contraction):
            continue
        left, right = operands_in_memory(root, stored)
        others.add(left.type)
        if root.ndim > 2 or are_few(root.shape[-1]):
            others.add(right.type)
        elif _has_its_columns(root, right) and right.shape[-1] == root.shape[-1]:
            found[right.type] = _width(right)
        elif not is_contiguous(root.operands[1], -2):
            others.add(right.type)
    return {type_: width for type_, width in found.items() if width and type_ not in others}


def read_by_panels(kernels: Iterable[Kernel], widths: Mapping[ArrayType, int]) -> set[int]:
    """Return the serials of matrices that are read only as left operands of products that go by panels.

    Whoever computes a panel reads all of it, number by number: its rows may lie anywhere.
    """
    found, others, stored = set[int](), set[int](), set[int]()
    for kernel in kernels:
        stored |= {value.serial for value in kernel.stored}
        root = kernel.root
        if root is not None and _goes_by_panels(root, widths, stored):
            left, right = operands_in_memory(root, stored)
            found |= {left.serial} if left.ndim == 2 else set()
            beside = Kernel(kernel.shape, members=kernel.members)
            others |= {right.serial} | reads(beside, {*stored, root.serial})
        else:
            others |= reads(kernel, stored)
    return found - others


def _goes_by_panels(root: Value, widths: Mapping[ArrayType, int], stored: Container[int]) -> bool:
    """Whether a product reads or writes panels; see `chainrule.compiler.matmul`."""
    if not isinstance(lowering_of(root), Contraction):
        return False
    _, right = operands_in_memory(root, stored)
    return root.type in widths or (right.type in widths and _has_its_columns(root, right))


def _has_its_columns(product: Value, right: Value) -> bool:
    """Whether neighbours along a row of a product's right operand are neighbours where this lies."""
    return right is product.operands[1] or is_contiguous(product.operands[1], -1)


def _width(matrix: Value) -> int:
    """Return how many columns a panel of a matrix has; 0 if it does not lie in panels."""
    if matrix.ndim != 2 or ROWS in matrix.shape or padded_bytes(matrix) <= MOST_MATRICES:
        return 0
    columns = int(matrix.shape[-1])
    vectors = tile_of(matrix).vectors
    width = LANES * vectors
    groups = panels_of(columns, vectors)
    begins = [begin for group in groups for begin in range(group.begin, int(group.end), group.width)]
    return width if columns > width and begins == list(range(0, columns, width)) else 0
