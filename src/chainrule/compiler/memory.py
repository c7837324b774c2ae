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
from chainrule.compiler.fuse import Kernel, is_narrow
from chainrule.compiler.reading import reads
from chainrule.compiler.table import LINE
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
    lives = _lives(groups, placed, kept)
    dense = {*packed, *(serial for serial, life in lives.items() if is_narrow(life.value.shape))}
    widths = panels or {}
    extents = {
        serial: _ADDRESSES
        if serial in scattered
        else _extent(life.value, serial not in dense, widths.get(life.value.type, 0))
        for serial, life in lives.items()
    }
    buffers: dict[int, Buffer] = {}
    sizes = [0] * REGIONS
    taken: list[list[Span]] = [[] for _ in range(REGIONS)]
    for serial in sorted(lives, key=lambda serial: -extents[serial].length):
        (length, power, strides), life = extents[serial], lives[serial]
        second = length if life.halved else 0
        offset = claim(taken[power], length + second, life.first, life.last)
        sizes[power] = max(sizes[power], offset + length + second)
        dtype = dtype_name(life.value.dtype)
        apart = serial in scattered
        buffers[serial] = Buffer(power, offset, power, dtype, strides, serial not in dense, apart, second)
    return Arena(buffers, {serial: extent.length for serial, extent in extents.items()}, tuple(sizes))


class _Life(NamedTuple):
    """A value that needs a place, the first and the last group in whose time, and if two halves of it do."""

    value: Value
    first: int
    last: int
    halved: bool = False


def _lives(
    groups: Sequence[Sequence[Kernel]], placed: Iterable[int], kept: Iterable[Value]
) -> dict[int, _Life]:
    """Return what needs a place, by serial: what is kept, all the time; the rest as long as it is read."""
    lives = {value.serial: _Life(value, 0, len(groups)) for value in kept}
    elsewhere = {*placed, *lives}
    own, stored = set[int](), set[int]()
    for number, kernel in ((number, kernel) for number, group in enumerate(groups) for kernel in group):
        for value in kernel.stored:
            stored.add(value.serial)
            if value.serial not in elsewhere:
                own.add(value.serial)
                lives[value.serial] = _Life(value, number, number, kernel.halved)
        for serial in own & reads(kernel, stored):
            lives[serial] = lives[serial]._replace(last=number)
    return lives


class _Extent(NamedTuple):
    """How much memory an array takes in its region, in bytes, and how it lies there."""

    length: int
    power: int
    strides: tuple[Stride, ...]


#: That of a table of whose rows only the addresses are there.
_ADDRESSES = _Extent(LINE, 1, (Stride(0), Stride(1)))


def _extent(value: Value, padded: bool, panel: int) -> _Extent:
    strides, elements, power = in_panels(value.shape, panel) if panel else layout(value.shape, padded)
    if power >= REGIONS:
        raise ValueError(f"{value!r} has more than {REGIONS - 1} axes of rows, and cannot be compiled")
    slack = SLACK if power == 0 else 0
    length = -(-(elements * BYTES[dtype_name(value.dtype)] + slack) // LINE) * LINE
    return _Extent(length, power, strides)


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
