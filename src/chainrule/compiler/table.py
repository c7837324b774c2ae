"""The table of pointers that native code is called with, and the memory that its first entries point to.

Behind the bases (regions of the arena, users' arrays) stand the addresses of the arrays that kernels read and
write, those of one kernel behind each other.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.compiler.buffer import LOCAL, REGIONS, SLACK
from chainrule.graph.types import Array

#: The places in the table: after the arena's regions the words of shared work, scratch memory, the arrays.
#: The first word is not 0 once the call is given up: what is left of its work is not done.
WORDS_SLOT = REGIONS
SCRATCH_SLOT = REGIONS + 1
FIRST_ARRAY = REGIONS + 2

#: How many float64 are zeroed at once.
PIECE: Final = 1 << 22
#: Bytes of a line of the caches.
LINE: Final = 64
#: Memory of so many bytes is kept when its run has ended, for the next one of the same size: to get new pages
#: from the system can take longer than a short fit. Less than that the allocator keeps by itself.
KEPT: Final = range(1 << 20, 1 << 26)
_spare: list[Array] = []


@dataclass(frozen=True)
class Scratch:
    """Memory that each thread has for itself: some bytes, and some more for each row of the capacity."""

    size: int = 0
    per_row: int = 0

    def bytes(self, capacity: int, threads: int) -> int:
        """Return how much all threads need."""
        return (self.size + self.per_row * capacity) * threads


def allocate(
    sizes: Sequence[int], scratch: Scratch, capacity: int, threads: int = 1, parts: int = 0
) -> tuple[Array, list[int]]:
    """Return zeroed memory, and the table's first entries, which point into it.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each region of the arena, times the capacity to its power.
    scratch : Scratch
        What each thread has for itself.
    capacity : int
        The most rows.
    threads : int
        How many share the work.
    parts : int
        How many parts of a turn's work each thread has: see `chainrule.compiler.sharing`.
    """
    lengths = [size * capacity**power + SLACK for power, size in enumerate(sizes)]
    lengths += [LINE * (1 + parts * threads), scratch.bytes(capacity, threads) + SLACK]
    lengths = [-(-length // LINE) * LINE for length in lengths]
    memory = _memory((LINE + sum(lengths)) // 8)
    for start in range(0, memory.size, PIECE):  # Ctrl-C comes between them
        memory[start : start + PIECE] = 0  # faster than to have each page zeroed at its first use
    place = -(-memory.ctypes.data // LINE) * LINE
    places = []
    for length in lengths:
        places.append(place)
        place += length
    return memory, places


def address(bases: Sequence[int], slot: int, offset: int, capacity: int) -> int:
    """Return where an array lies: so far behind a base, or its place in a thread's own memory.

    Parameters
    ----------
    bases : sequence of int
        The table's entries that are known.
    slot, offset : int
        See `chainrule.compiler.buffer.Buffer`.
    capacity : int
        The most rows.
    """
    if slot == LOCAL:
        return offset
    return bases[slot] + (offset * capacity**slot if slot < REGIONS else offset)


def _memory(size: int) -> Array:
    """Return so many float64, of the last run if that has ended and had as many."""
    try:
        owner = _spare.pop()
    except IndexError:
        owner = None
    if owner is None or owner.size != size:
        owner = np.empty(size, np.float64)
    if owner.nbytes not in KEPT:
        return owner
    memory = np.frombuffer(owner.data, np.float64)  # views of it keep this alive, not only its owner
    weakref.finalize(memory, _keep, owner).atexit = False
    return memory


def _keep(owner: Array) -> None:
    _spare[:] = [owner]


def given_up(places: Sequence[int]) -> ctypes.c_int64:
    """Return the word that is not 0 once the call with such a table is given up."""
    return ctypes.c_int64.from_address(places[WORDS_SLOT])


def address_of(array: Any) -> int:
    """Return where an array lies; NumPy itself takes three times as long to tell."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # it may only be read, or has no elements
        return int(array.ctypes.data)
