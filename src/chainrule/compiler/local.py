"""Memory of a chain's own: arrays that nobody reads once some rows have passed it, as large as these rows.

The next rows write over them, so that they stay in the caches, and no core has to hand them to another.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from chainrule.compiler.buffer import LOCAL, SLACK, Buffer
from chainrule.compiler.code import LANES
from chainrule.compiler.fuse import Kernel
from chainrule.compiler.memory import Span, claim, layout, padded_bytes
from chainrule.compiler.reading import reads
from chainrule.compiler.schedule import is_chain, row_bytes
from chainrule.compiler.table import LINE
from chainrule.graph.types import dtype_name
from chainrule.graph.value import Value

#: So many bytes of a chain's arrays stay in the caches: as many rows pass it at a time,
CHAIN_BYTES = 1 << 18
#: but not fewer than these, even if they take more,
LEAST_ROWS = 64
#: up to so many bytes.
MOST_BYTES = 1 << 22


@dataclass(frozen=True)
class Local:
    """Where the arrays lie that belong to chains.

    Attributes
    ----------
    buffers : dict of int to Buffer
        By the value's serial; their offsets count from the end of this memory, where the scratch memory of
        kernels begins.
    lengths : dict of int to int
        Bytes of each, by its serial.
    size : int
        Bytes that a thread needs.
    """

    buffers: dict[int, Buffer]
    lengths: dict[int, int]
    size: int


def block_rows(chain: Sequence[Kernel]) -> int:
    """Return how many rows pass a chain at a time, at most."""
    size = max(row_bytes(chain), 1)
    rows = min(max(LEAST_ROWS, CHAIN_BYTES // size), MOST_BYTES // size)
    return max(rows // LANES * LANES, LANES)


def plan_local(groups: Sequence[Sequence[Kernel]], elsewhere: Container[int]) -> Local:
    """Give arrays that are needed in one chain only a place of their chain's own.

    Parameters
    ----------
    groups : sequence of sequences of Kernel
        In order: see `chainrule.compiler.schedule`.
    elsewhere : container of int
        Serials of what lies, or has to lie, somewhere else.
    """
    users = _users(groups)
    places: list[tuple[Value, int, int]] = []
    for number, group in enumerate(groups):
        if len(group) > 1 and is_chain(group):
            stored = [value for kernel in group for value in kernel.stored]
            own = [v for v in stored if users[v.serial] == {number} and v.serial not in elsewhere]
            places += _placed(group, own)
    size = max((offset + length for _, offset, length in places), default=0)
    return Local(
        {value.serial: _buffer(value, offset - size) for value, offset, _ in places},
        {value.serial: length for value, _, length in places},
        size,
    )


def _users(groups: Sequence[Sequence[Kernel]]) -> Mapping[int, set[int]]:
    """Return for each stored value the groups that write or read it."""
    users: dict[int, set[int]] = {}
    for number, group in enumerate(groups):
        for kernel in group:
            for value in kernel.stored:
                users.setdefault(value.serial, set()).add(number)
            for serial in reads(kernel, users.keys()):
                users.setdefault(serial, set()).add(number)
    return users


def _placed(chain: Sequence[Kernel], own: Sequence[Value]) -> list[tuple[Value, int, int]]:
    """Return where in a chain's memory each of its own arrays begins, and how long it is."""
    rows = block_rows(chain)
    first = {value.serial: number for number, kernel in enumerate(chain) for value in kernel.stored}
    last = dict(first)
    for number, kernel in enumerate(chain):
        last |= dict.fromkeys((serial for serial in reads(kernel, first) if serial in first), number)
    taken: list[Span] = []
    places = []
    for value in sorted(own, key=lambda value: -padded_bytes(value)):
        length = -(-(padded_bytes(value) * rows + SLACK) // LINE) * LINE
        offset = claim(taken, length, first[value.serial], last[value.serial])
        places.append((value, offset, length))
    return places


def _buffer(value: Value, offset: int) -> Buffer:
    strides = layout(value.shape, padded=True).strides
    return Buffer(LOCAL, offset, 0, dtype_name(value.dtype), strides, padded=True)
