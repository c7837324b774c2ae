"""The table of pointers that native code is called with, and the memory that its first entries point to."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.compiler.buffer import REGIONS, SLACK
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
    memory = np.empty((LINE + sum(lengths)) // 8, np.float64)
    for start in range(0, memory.size, PIECE):  # Ctrl-C comes between them
        memory[start : start + PIECE] = 0  # faster than to have each page zeroed at its first use
    place = -(-memory.ctypes.data // LINE) * LINE
    places = []
    for length in lengths:
        places.append(place)
        place += length
    return memory, places


def given_up(places: Sequence[int]) -> ctypes.c_int64:
    """Return the word that is not 0 once the call with such a table is given up."""
    return ctypes.c_int64.from_address(places[WORDS_SLOT])


def address_of(array: Any) -> int:
    """Return where an array lies; NumPy itself takes three times as long to tell."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):  # it may only be read, or has no elements
        return int(array.ctypes.data)
