"""The order of the rows in an epoch: a keyed bijection, computed where it is used, with no permutation kept.

A row's number is mixed in the smallest power of two that holds all rows, by rounds that can each be undone:
x ↦ (x · odd + addend) mod 2ᵇ, then x ↦ x ⊕ ⌊x / 2ˢ⌋. A result that is no row is mixed again until it is one
(Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.graph.types import Array

ROUNDS: Final = 6
#: Of SplitMix64's finalizer: what is added, by how much is shifted, and what is multiplied by.
GOLDEN: Final = 0x9E3779B97F4A7C15
SHIFTS: Final = (30, 27, 31)
FACTORS: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_WORD: Final = 0xFFFFFFFFFFFFFFFF


def bits_for(rows: int) -> int:
    """Return the number of bits b of the numbers that are mixed: 2ᵇ is at least `rows`."""
    return max(rows - 1, 0).bit_length()


def shift_for(bits: int) -> int:
    """Return how far a round shifts, s."""
    return max((bits + 1) // 2, 1)


def round_keys(key: Array, epoch: int) -> list[tuple[int, int]]:
    """Return for each round an odd factor and an addend of 64 bits, fixed by key and epoch."""
    seed = _mixed((int(key[0]) | int(key[1]) << 32) + _mixed(epoch))
    words = [_mixed(seed + (number + 1) * GOLDEN) for number in range(2 * ROUNDS)]
    return [(words[2 * turn] | 1, words[2 * turn + 1]) for turn in range(ROUNDS)]


def _mixed(number: int) -> int:
    """Return 64 well mixed bits: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014)."""
    number = (number + GOLDEN) & _WORD
    for shift, factor in zip(SHIFTS, FACTORS, strict=False):
        number = ((number ^ number >> shift) * factor) & _WORD
    return number ^ number >> SHIFTS[-1]


def shuffled(positions: Array, rows: int, key: Array, epoch: int) -> Array:
    """Return the row at each position of an epoch: a bijection of the rows, fixed by key and epoch."""
    keys = round_keys(key, epoch)
    bits = bits_for(rows)
    result = np.asarray(positions, np.uint64).copy()
    pending = np.ones(result.shape, bool)
    while pending.any():
        result[pending] = _mix(result[pending], bits, keys)
        pending = result >= rows
    return result.astype(np.int64)


def _mix(numbers: Array, bits: int, keys: list[tuple[int, int]]) -> Array:
    mask, shift = np.uint64((1 << bits) - 1), np.uint64(shift_for(bits))
    for factor, addend in keys:
        numbers = (numbers * np.uint64(factor) + np.uint64(addend)) & mask
        numbers = numbers ^ (numbers >> shift)
    return numbers
