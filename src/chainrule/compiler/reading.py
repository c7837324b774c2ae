"""What a kernel reads from memory, and what it may therefore write over."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from chainrule.compiler.fuse import Kernel
from chainrule.compiler.views import source_of
from chainrule.graph.lowering import Contraction, Gather
from chainrule.graph.primitive import lowering_of
from chainrule.graph.value import Value


def reads(kernel: Kernel, stored: Container[int]) -> set[int]:
    """Return the serials of all that a kernel may read from memory, of what is stored by then."""
    own = {value.serial for value in kernel.computed}
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [operand for value in kernel.computed for operand in operands_in_memory(value, stored)]
    while waiting:
        value = waiting.pop()
        if value.serial in seen or value.serial in own:
            continue
        seen.add(value.serial)
        if value.primitive is None or value.serial in stored:
            found.add(value.serial)
        else:
            waiting.extend(value.operands)
    return found


def operands_in_memory(value: Value, stored: Container[int]) -> list[Value]:
    """Return what a value is computed from; a contraction reads what its operands are views of."""
    if not isinstance(lowering_of(value), Contraction):
        return list(value.operands)
    return [operand if operand.serial in stored else source_of(operand) for operand in value.operands]


def in_place(groups: Sequence[Sequence[Kernel]], replaced: Mapping[int, Value]) -> dict[int, Value]:
    """Return which results may be written over the input that they replace: serial → input.

    Everything else that reads the input must be done by then, and the kernel itself may read it only at the
    place where it writes.

    Parameters
    ----------
    groups : sequence of sequences of Kernel
        In order; those of a group run at the same time.
    replaced : mapping of int to Value
        For the serial of a result the input that it replaces.
    """
    readers: dict[int, list[tuple[int, Kernel]]] = {old.serial: [] for old in replaced.values()}
    results: list[tuple[int, Kernel, Value, bool]] = []
    stored: set[int] = set()
    for place, kernel in ((place, kernel) for place, group in enumerate(groups) for kernel in group):
        stored |= {value.serial for value in kernel.stored}
        for serial in readers.keys() & reads(kernel, stored):
            readers[serial].append((place, kernel))
        own = [value for value in kernel.members if value.serial in replaced]
        if own:
            operands = {operand.serial for member in kernel.members for operand in member.operands}
            elsewhere = _read_elsewhere(kernel, stored)
            for value in own:
                old = replaced[value.serial]
                if old.type == value.type and old.serial not in elsewhere:
                    results.append((place, kernel, value, old.serial in operands))
    found: dict[int, Value] = {}
    for place, kernel, value, is_read in results:
        old = replaced[value.serial]
        later = [reader for at, reader in readers[old.serial] if at >= place]
        if not later or (later == [kernel] and is_read):
            found[value.serial] = old
    return found


def _read_elsewhere(kernel: Kernel, stored: set[int]) -> set[int]:
    """Return what a kernel reads at other places than the one that it computes."""
    own = {value.serial for value in kernel.members}
    others = [
        operand
        for value in kernel.members
        for operand in value.operands
        if operand.serial not in own and operand.primitive is not None and operand.serial not in stored
    ]
    gathered = [value.operands[0] for value in kernel.members if isinstance(lowering_of(value), Gather)]
    root = [] if kernel.root is None else operands_in_memory(kernel.root, stored)
    found = {value.serial for value in (*gathered, *root)}
    waiting = [*others, *root]
    while waiting:
        value = waiting.pop()
        found.add(value.serial)
        if value.serial not in stored:
            waiting.extend(value.operands)
    return found
