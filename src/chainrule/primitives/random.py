"""Random bits by counter: the same key, step, site and place always give the same bits.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a
64-bit key and a 128-bit counter into four words of 32 bits. The counter is (place in the array, step, site,
0), so no draw depends on how many draws were made before it, and training can resume anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.lowering import Expression
from chainrule.graph.notation import ATOM, Notation
from chainrule.graph.primitive import primitive
from chainrule.graph.samples import Case
from chainrule.graph.types import INT32, UINT32, Array, ArrayType, Shape

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD_BITS = np.uint64(32)


def philox(counter: tuple[Array, Array, Array, Array], key: tuple[Array, Array]) -> tuple[Array, ...]:
    """Return the four words of Philox4x32-10 for each counter; every word is a uint32 array."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    with np.errstate(over="ignore"):  # uint32 is meant to wrap around
        for _ in range(ROUNDS):
            high0, low0 = _wide_product(MULTIPLIERS[0], c0)
            high1, low1 = _wide_product(MULTIPLIERS[1], c2)
            c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
            k0, k1 = k0 + np.uint32(KEY_INCREMENTS[0]), k1 + np.uint32(KEY_INCREMENTS[1])
    return c0, c1, c2, c3


def _wide_product(multiplier: int, x: Array) -> tuple[Array, Array]:
    product = np.uint64(multiplier) * np.asarray(x).astype(np.uint64)
    return (product >> _WORD_BITS).astype(np.uint32), (product & _LOW_WORD).astype(np.uint32)


def _bits_type(
    low: ArrayType, high: ArrayType, step: ArrayType, *, shape: Shape, site: int, word: int
) -> ArrayType:
    if (low, high, step) != (ArrayType((), UINT32), ArrayType((), UINT32), ArrayType((), INT32)):
        raise ValueError(f"it takes two uint32 scalars and an int32 scalar, not {low}, {high} and {step}")
    if not 0 <= word < 4 or not 0 <= site < 2**32:
        raise ValueError(f"there is no word {word} at the site {site}")
    return ArrayType(shape, UINT32)


def _bits(low: Array, high: Array, step: Array, *, shape: tuple[int, ...], site: int, word: int) -> Any:
    place = np.arange(np.prod(shape, dtype=np.int64), dtype=np.uint32).reshape(shape)
    counter = (place, _as_word(step), _as_word(site), _as_word(0))
    return np.broadcast_to(philox(counter, (low, high))[word], shape)


def _as_word(number: int | Array) -> Array:
    return np.asarray(number).astype(np.uint32)


def _lower_bits(b: Any, low: Any, high: Any, step: Any, *, shape: Shape, site: int, word: int) -> Any:
    c0, c1 = b.linear_index(), b.cast(step, "uint32")
    c2, c3 = b.constant(site, "uint32"), b.constant(0, "uint32")
    m0, m1 = (b.constant(multiplier, "uint32") for multiplier in MULTIPLIERS)
    for _ in range(ROUNDS):
        high0, low0 = b.multiply_high(m0, c0), b.multiply(m0, c0)
        high1, low1 = b.multiply_high(m1, c2), b.multiply(m1, c2)
        c0, c1, c2, c3 = b.xor(b.xor(high1, c1), low), low1, b.xor(b.xor(high0, c3), high), low0
        low = b.add(low, b.constant(KEY_INCREMENTS[0], "uint32"))
        high = b.add(high, b.constant(KEY_INCREMENTS[1], "uint32"))
    return (c0, c1, c2, c3)[word]


def _samples(generator: np.random.Generator) -> list[Case]:
    key = [np.asarray(word, np.uint32) for word in generator.integers(0, 2**32, 2, dtype=np.uint64)]
    return [
        Case((*key, np.asarray(step, np.int32)), {"shape": shape, "site": site, "word": word})
        for shape, step, site, word in (((5,), 0, 0, 0), ((3, 4), 7, 1, 3), ((), 2**31 - 1, 2, 2))
    ]


random_bits = primitive(
    "random_bits",
    shape=_bits_type,
    value=_bits,
    derivative=None,
    why_not="its result is random, and depends on no operand continuously",
    lower=Expression(_lower_bits),
    notation=Notation(r"\mathrm{bits}_{<site>,<word>}\left(<0>, <1>, <2>\right)", ATOM),
    samples=_samples,
)
