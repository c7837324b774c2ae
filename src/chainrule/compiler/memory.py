"""Where every array lies: buffers of fixed size and buffers that grow with the rows, planned ahead.

Inside of the arena rows of an array begin at multiples of a vector, so that a vector at the end of a row may
be read and written whole. An array that a user handed over is packed, and is read and written with a mask.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chainrule.compiler.buffer import REGIONS, SLACK, Buffer, Stride
from chainrule.compiler.code import BYTES, LANES
from chainrule.compiler.fuse import Kernel, is_narrow, source_of
from chainrule.compiler.table import LINE
from chainrule.graph.lowering import Contraction, Gather
from chainrule.graph.primitive import lowering_of
from chainrule.graph.types import ROWS, ArrayType, Shape, dtype_name
from chainrule.graph.value import Value

#: Bytes that are taken: from where, how many, and the first and the last kernel in whose time. A list of such
#: is in order.
Span = tuple[int, int, int, int]


def padded_length(size: int) -> int:
    """Return the distance of two rows of this size: whole vectors, and not a multiple that caches dislike."""
    length = -(-size // LANES) * LANES
    return length + LANES if length >= 256 and length % 64 == 0 else length


class Layout(NamedTuple):
    """How an array lies: its strides, and its number of elements, which is times a power of the rows."""

    strides: tuple[Stride, ...]
    elements: int
    power: int


def layout(shape: Shape, padded: bool) -> Layout:
    """Return how an array of a shape lies; `padded`, its rows begin at multiples of a vector."""
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
    return Layout(tuple(reversed(strides)), size, power)


def in_panels(shape: Shape, width: int) -> Layout:
    """Return how a matrix lies as panels of so many columns, one behind the other."""
    rows, columns = map(int, shape)
    apart = rows * width
    return Layout((Stride(width), Stride(1, block=width, apart=apart)), -(-columns // width) * apart, 0)


def padded_bytes(value: Value) -> int:
    """Return the bytes that an array takes where rows are padded; of one that has rows, those of one row."""
    return layout(value.shape, padded=True).elements * BYTES[dtype_name(value.dtype)]


def user_buffer(slot: int, value: Value) -> Buffer:
    """Return where a packed array of a user lies."""
    strides = layout(value.shape, padded=False).strides
    return Buffer(slot, 0, 0, dtype_name(value.dtype), strides, padded=False)


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
    *,
    packed: Iterable[int] = (),
    panels: Mapping[ArrayType, int] | None = None,
    scattered: Container[int] = (),
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
    panels : mapping of ArrayType to int, optional
        Which matrices lie in panels, and how wide these are: see `chainrule.compiler.panels`.
    scattered : container of int
        Serials of tables of whose rows only the addresses are there.
    """
    values = {value.serial: value for value in kept}
    lives = dict.fromkeys(values, (0, len(groups)))
    own: set[int] = set()  # what lives from the kernel that stores it to the last that reads it
    elsewhere = {*placed, *values}
    stored, halved = set[int](), set[int]()
    for number, kernel in ((number, kernel) for number, group in enumerate(groups) for kernel in group):
        for value in kernel.stored:
            stored.add(value.serial)
            if value.serial not in elsewhere:
                own.add(value.serial)
                halved |= {value.serial} if kernel.halved else set()
                lives[value.serial] = (number, number)
                values[value.serial] = value
        for serial in own & reads(kernel, stored):
            lives[serial] = (lives[serial][0], number)
    buffers: dict[int, Buffer] = {}
    sizes = [0] * REGIONS
    taken: list[list[Span]] = [[] for _ in range(REGIONS)]
    dense = set(packed)
    dense |= {serial for serial, value in values.items() if is_narrow(value.shape)}
    widths = panels or {}
    plans = {
        serial: (LINE, 1, (Stride(0), Stride(1)))
        if serial in scattered
        else _bytes(value, serial not in dense, widths.get(value.type, 0))
        for serial, value in values.items()
    }
    for serial in sorted(lives, key=lambda serial: -plans[serial][0]):
        size, power, strides = plans[serial]
        first, last = lives[serial]
        second = size if serial in halved else 0
        offset = claim(taken[power], size + second, first, last)
        sizes[power] = max(sizes[power], offset + size + second)
        dtype = dtype_name(values[serial].dtype)
        apart = serial in scattered
        buffers[serial] = Buffer(power, offset, power, dtype, strides, serial not in dense, apart, second)
    return Arena(buffers, {serial: plan[0] for serial, plan in plans.items()}, tuple(sizes))


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


def _bytes(value: Value, padded: bool, panel: int) -> tuple[int, int, tuple[Stride, ...]]:
    strides, size, power = in_panels(value.shape, panel) if panel else layout(value.shape, padded)
    if power >= REGIONS:
        raise ValueError(f"{value!r} has more than {REGIONS - 1} axes of rows, and cannot be compiled")
    slack = SLACK if power == 0 else 0
    unit = 64
    return -(-(size * BYTES[dtype_name(value.dtype)] + slack) // unit) * unit, power, strides


def claim(taken: list[Span], size: int, first: int, last: int) -> int:
    """Take the lowest place at which nothing lies that is alive at the same time; return its offset.

    Spans side by side that live equally long become one, so that arrays that all live stay quick to pass.
    """
    offset = lowest(taken, size, first, last)
    place = bisect(taken, (offset, 0, 0, 0))
    start, length, *life = taken[place - 1] if place else (0, 0, 0, 0)
    if place and start + length == offset and life == [first, last]:
        taken[place - 1] = (start, length + size, first, last)
    else:
        taken.insert(place, (offset, size, first, last))
    return offset


def lowest(taken: Sequence[Span], size: int, first: int, last: int) -> int:
    """Return the lowest offset at which nothing lies that is alive at the same time."""
    offset = 0
    for other, length, begin, end in taken:
        if other >= offset + size:
            break
        if begin <= last and first <= end and other + length > offset:
            offset = other + length
    return offset
