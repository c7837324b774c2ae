"""What a kernel's code depends on: kernels of one signature are written once, and called with other arrays.

A signature says everything about a kernel but where its arrays lie and which values they hold: the equations
that it computes and those between these and memory, in numbers of its own, with the layout of each array.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from typing import NamedTuple

from chainrule.compiler.buffer import LOCAL, Buffer
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.memory import reads
from chainrule.graph.lowering import Reindex
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
    places = {(buffers[serial].slot, buffers[serial].offset, buffers[serial].power): 0 for serial in given}
    order = list(places)
    arrays = [
        (numbers.get(serial), order.index((buffer.slot, buffer.offset, buffer.power)), *_layout(buffer))
        for serial, buffer in ((serial, buffers[serial]) for serial in given)
    ]
    key = (
        kernel.shape,
        None if kernel.root is None else numbers[kernel.root.serial],
        tuple(numbers[value.serial] for value in kernel.members),
        tuple(sorted(numbers[serial] for serial in kernel.absorbed if serial in numbers)),
        tuple(numbers[serial] for serial in stored),
        tuple(lines),
        tuple(arrays),
    )
    firsts = {(buffers[s].slot, buffers[s].offset, buffers[s].power): buffers[s] for s in reversed(given)}
    return Signature(key, [firsts[place] for place in order])


def _lines(
    value: Value, own: Container[int], buffers: Mapping[int, Buffer], numbers: dict[int, int]
) -> list[Hashable]:
    """Return the equations by which a value comes from memory, and give each a number."""
    if value.serial in numbers:
        return []
    stored = value.serial not in own and value.serial in buffers
    lower = None if value.primitive is None else value.primitive.lower
    lines: list[Hashable] = []
    if not stored or isinstance(lower, Reindex):  # a product looks through what only shows another array
        for operand in value.operands:
            lines += _lines(operand, own, buffers, numbers)
    numbers[value.serial] = len(numbers)
    name = "" if value.primitive is None else value.primitive.name
    operands = tuple(numbers.get(operand.serial) for operand in value.operands)
    return [*lines, (name, repr(value.attributes), value.type, value.weak, operands, stored)]


def _layout(buffer: Buffer) -> tuple[Hashable, ...]:
    return buffer.slot == LOCAL, buffer.power, buffer.dtype, buffer.strides, buffer.padded
