"""What a kernel's code depends on: kernels of one signature are written once, and called with other arrays.

A signature says everything about a kernel but where its arrays lie and which values they hold: the equations
that it computes and those between these and memory, in numbers of its own, with the layout of each array.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from typing import NamedTuple

from chainrule.compiler.buffer import LOCAL, Buffer
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.reading import reads
from chainrule.graph.lowering import Reindex
from chainrule.graph.primitive import lowering_of, primitive_name
from chainrule.graph.value import Value


class Signature(NamedTuple):
    """What a kernel's code depends on, and the arrays that it takes, in their order."""

    key: Hashable
    arrays: list[Buffer]


def signature_of(kernel: Kernel, buffers: Mapping[int, Buffer]) -> Signature:
    """Return the signature of a kernel.

    Parameters
    ----------
    kernel : Kernel
        What is computed.
    buffers : mapping of int to Buffer
        Where the arrays lie that are there when it runs, by serial.
    """
    own = {value.serial for value in kernel.computed} | kernel.absorbed
    numbers: dict[int, int] = {}
    lines = [line for value in kernel.computed for line in _lines(value, own, buffers, numbers)]
    stored = [value.serial for value in kernel.stored]
    given = sorted(reads(kernel, buffers.keys()) | set(stored))
    first_at: dict[tuple[int, int, int], Buffer] = {}  # several values may lie in one place
    for serial in given:
        for half in buffers[serial].halves:
            first_at.setdefault(half.start, half)
    order = list(first_at)
    arrays = [
        (
            numbers.get(serial),
            *(order.index(half.start) for half in buffers[serial].halves),
            *_layout(buffers[serial]),
        )
        for serial in given
    ]
    key = (
        kernel.shape,
        kernel.halved,
        None if kernel.root is None else numbers[kernel.root.serial],
        tuple(numbers[value.serial] for value in kernel.members),
        tuple(sorted(numbers[serial] for serial in kernel.absorbed if serial in numbers)),
        tuple(numbers[serial] for serial in stored),
        tuple(lines),
        tuple(arrays),
    )
    return Signature(key, list(first_at.values()))


def _lines(
    value: Value, own: Container[int], buffers: Mapping[int, Buffer], numbers: dict[int, int]
) -> list[Hashable]:
    """Return the equations by which a value comes from memory, and give each a number."""
    if value.serial in numbers:
        return []
    stored = value.serial not in own and value.serial in buffers
    lines: list[Hashable] = []
    # A product looks through a re-indexing, even through one that is stored.
    if not stored or isinstance(lowering_of(value), Reindex):
        for operand in value.operands:
            lines += _lines(operand, own, buffers, numbers)
    numbers[value.serial] = len(numbers)
    operands = tuple(numbers.get(operand.serial) for operand in value.operands)
    return [*lines, (primitive_name(value), repr(value.attributes), value.type, value.weak, operands, stored)]


def _layout(buffer: Buffer) -> tuple[Hashable, ...]:
    lies = buffer.slot == LOCAL, buffer.power, buffer.padded, buffer.scattered
    return *lies, buffer.dtype, buffer.strides
