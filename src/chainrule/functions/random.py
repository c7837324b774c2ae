"""Random numbers from a key: equal keys, steps and sites give equal numbers.

A float32 draw is the rounded float64 draw.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.functions.shaping import getitem
from chainrule.graph.trace import array_function
from chainrule.graph.types import Array, Shape, as_dtype
from chainrule.graph.value import Operand, Value, as_value
from chainrule.primitives import elementwise as rows
from chainrule.primitives.random import random_bits

_BELOW_ONE = 1 - 2.0**-24  # the largest float32 below 1


def random_key(seed: int) -> Array:
    """Return the key of a seed: two uint32 words."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed is an integer from 0 to 2**64 - 1, not {seed}")
    return np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)


def _word(key: Operand, shape: Shape, step: Operand, site: int, word: int) -> Value:
    key = as_value(key)
    bits = random_bits(
        getitem(key, 0), getitem(key, 1), as_value(step), shape=tuple(shape), site=site, word=word
    )
    return rows.cast(bits, dtype="float64")


def _unit(key: Operand, shape: Shape, step: Operand, site: int, word: int) -> Value:
    """Return multiples of 2^-53 in [0, 1) from two words."""
    high, low = (_word(key, shape, step, site, w) for w in (word, word + 1))
    return high * 2.0**-32 + rows.floor(low * 2.0**-11) * 2.0**-53


@array_function
def uniform(
    key: Operand, shape: Shape, *, dtype: object = "float32", step: Operand = 0, site: int = 0
) -> Any:
    """Return numbers drawn evenly from [0, 1)."""
    numbers = _unit(key, shape, step, site, 0)
    if as_dtype(dtype).name == "float64":
        return numbers
    return rows.minimum(rows.cast(numbers, dtype="float32"), _BELOW_ONE)


@array_function
def normal(key: Operand, shape: Shape, *, dtype: object = "float32", step: Operand = 0, site: int = 0) -> Any:
    """Return numbers from the standard normal distribution, by the transform of Box and Muller."""
    radius = rows.sqrt(-2 * rows.log(1 - _unit(key, shape, step, site, 0)))
    angle = (2 * math.pi) * _unit(key, shape, step, site, 2)
    return rows.cast(radius * rows.cos(angle), dtype=as_dtype(dtype).name)


@array_function
def bernoulli(key: Operand, probability: Operand, shape: Shape, *, step: Operand = 0, site: int = 0) -> Any:
    """Return bools that are true with a probability, to a resolution of 2^-32."""
    return _word(key, shape, step, site, 0) * 2.0**-32 < probability
