"""Where every array lies: buffers of fixed size and buffers that grow with the rows, planned ahead.

Inside of the arena rows of an array begin at multiples of a vector, so that a vector at the end of a row may
be read and written whole. An array that a user handed over is packed, and is read and written with a mask.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.compiler.buffer import REGIONS, SLACK, Buffer, Stride
from chainrule.compiler.code import BYTES, LANES
from chainrule.compiler.fuse import Kernel, is_narrow, source_of
from chainrule.graph.lowering import Contraction, Gather
from chainrule.graph.types import ROWS, Shape
from chainrule.graph.value import Value


def padded_length(size: int) -> int:
    """Return the distance of two rows of this size: whole vectors, and not a multiple that caches dislike."""
    length = -(-size // LANES) * LANES
    return length + LANES if length >= 256 and length % 64 == 0 else length


def layout(shape: Shape, padded: bool) -> tuple[tuple[Stride, ...], int, int]:
    """Return the strides of an array, its number of elements, and the power of rows that this is times."""
    strides: list[Stride] = []
    size, power = 1, 0
    inner = True
    for dim in reversed(shape):
        strides.append(Stride(size, power))
        if dim is ROWS:
            power += 1
            inner = False
        elif dim != 1:
            size *= padded_length(int(dim)) if inner and padded else int(dim)
            inner = False
    return tuple(reversed(strides)), size, power


def user_buffer(slot: int, value: Value) -> Buffer:
    """Return where a packed array of a user lies."""
    strides, _, _ = layout(value.shape, padded=False)
    return Buffer(slot, 0, 0, value.dtype.name, strides, padded=False)


@dataclass(frozen=True)
class Arena:
    """The plan of the arena: a buffer for each stored value, and the size of each region.

    Attributes
    ----------
    buffers : dict of int to Buffer
        By the value's serial.
    lengths : dict of int to int
        Bytes of each value, by its serial.
    sizes : tuple of int
        Bytes of each region, times the capacity to its power.
    """

    buffers: dict[int, Buffer]
    lengths: dict[int, int]
    sizes: tuple[int, ...]


def plan_arena(
    groups: Sequence[Sequence[Kernel]],
    placed: Iterable[int],
    kept: Iterable[Value],
    packed: Iterable[int] = (),
) -> Arena:
    """Give every stored value a place in the arena; values that are never alive together may share one.

    Parameters
    ----------
    groups : sequence of sequences of Kernel
        In order; those of a group run at the same time, so what one of them touches is alive in all.
    placed : iterable of int
        Serials of what lies elsewhere already.
    kept : iterable of Value
        What lives from the first kernel to the last: a loop's arrays.
    packed : iterable of int
        Serials of what lies without padding, as a user's table does.
    """
    elsewhere = set(placed)
    kept = list(kept)
    lives = {value.serial: (0, len(groups)) for value in kept}
    values = {value.serial: value for value in kept}
    stored: set[int] = set()
    for number, kernel in ((number, kernel) for number, group in enumerate(groups) for kernel in group):
        stored |= {value.serial for value in kernel.stored}
        for value in kernel.stored:
            if value.serial not in elsewhere and value.serial not in lives:
                lives[value.serial] = (number, number)
                values[value.serial] = value
        for serial in reads(kernel, stored):
            if serial in lives and serial not in {value.serial for value in kept}:
                lives[serial] = (lives[serial][0], number)
    buffers: dict[int, Buffer] = {}
    sizes = [0] * REGIONS
    taken: list[list[tuple[int, int, int, int]]] = [[] for _ in range(REGIONS)]
    dense = set(packed)
    dense |= {serial for serial, value in values.items() if is_narrow(value.shape)}
    plans = {serial: _bytes(value, serial not in dense) for serial, value in values.items()}
    for serial in sorted(lives, key=lambda serial: -plans[serial][0]):
        size, power, strides = plans[serial]
        first, last = lives[serial]
        offset = lowest(taken[power], size, first, last)
        taken[power].append((offset, size, first, last))
        sizes[power] = max(sizes[power], offset + size)
        dtype = values[serial].dtype.name
        buffers[serial] = Buffer(power, offset, power, dtype, strides, serial not in dense)
    return Arena(buffers, {serial: plan[0] for serial, plan in plans.items()}, tuple(sizes))


def reads(kernel: Kernel, stored: Container[int]) -> set[int]:
    """Return the serials of all that a kernel may read from memory, of what is stored by then."""
    own = {value.serial for value in kernel.computed}
    found: set[int] = set()
    seen: set[int] = set()
    waiting = [operand for value in kernel.computed for operand in _operands(value, stored)]
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


def _operands(value: Value, stored: Container[int]) -> list[Value]:
    """Return what a value is computed from; a contraction reads what its operands are views of."""
    if not isinstance(_lower(value), Contraction):
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
    kernels = [kernel for group in groups for kernel in group]
    begins = [begin for begin, group in zip(_begins(groups), groups, strict=True) for _ in group]
    stored = [
        {value.serial for kernel in kernels[: number + 1] for value in kernel.stored}
        for number in range(len(kernels))
    ]
    readers = [reads(kernel, by_then) for kernel, by_then in zip(kernels, stored, strict=True)]
    found: dict[int, Value] = {}
    for number, kernel in enumerate(kernels):
        aligned = {
            operand.serial
            for member in kernel.members
            for operand in member.operands
            if operand.shape == kernel.shape
        }
        elsewhere = _read_elsewhere(kernel, stored[number])
        for value in kernel.members:
            old = replaced.get(value.serial)
            if old is None or old.type != value.type or old.serial in elsewhere:
                continue
            others = (other for other in range(begins[number], len(kernels)) if other != number)
            later = any(old.serial in readers[other] for other in others)
            if not later and (old.serial in aligned or old.serial not in readers[number]):
                found[value.serial] = old
    return found


def _begins(groups: Sequence[Sequence[Kernel]]) -> list[int]:
    """Return the number of each group's first kernel."""
    return [sum(map(len, groups[:place])) for place in range(len(groups))]


def _read_elsewhere(kernel: Kernel, stored: set[int]) -> set[int]:
    """Return what a kernel reads at other places than the one that it computes."""
    own = {value.serial for value in kernel.members}
    others = [
        operand
        for value in kernel.members
        for operand in value.operands
        if operand.serial not in own and operand.primitive is not None and operand.serial not in stored
    ]
    gathered = [value.operands[0] for value in kernel.members if isinstance(_lower(value), Gather)]
    root = [] if kernel.root is None else _operands(kernel.root, stored)
    found = {value.serial for value in (*gathered, *root)}
    waiting = [*others, *root]
    while waiting:
        value = waiting.pop()
        found.add(value.serial)
        if value.serial not in stored:
            waiting.extend(value.operands)
    return found


def _lower(value: Value) -> object:
    return None if value.primitive is None else value.primitive.lower


def _bytes(value: Value, padded: bool) -> tuple[int, int, tuple[Stride, ...]]:
    strides, size, power = layout(value.shape, padded)
    if power >= REGIONS:
        raise ValueError(f"{value!r} has more than {REGIONS - 1} axes of rows, and cannot be compiled")
    slack = SLACK if power == 0 else 0
    unit = 64
    return -(-(size * BYTES[value.dtype.name] + slack) // unit) * unit, power, strides


def lowest(taken: Sequence[tuple[int, int, int, int]], size: int, first: int, last: int) -> int:
    """Return the lowest offset at which nothing lies that is alive at the same time."""
    offset = 0
    for other, length, begin, end in sorted(taken):
        if begin <= last and first <= end and other < offset + size:
            offset = max(offset, other + length)
    return offset
