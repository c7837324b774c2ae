"""Random numbers from a key: equal keys, steps and sites give equal numbers.

A float32 draw is the rounded float64 draw.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from chainrule.functions.arguments import as_float_dtype, as_shape
from chainrule.functions.indexing import getitem
from chainrule.graph.trace import array_function
from chainrule.graph.types import UINT32, Array, ArrayType, Shape
from chainrule.graph.value import Operand, Value, as_value
from chainrule.primitives import elementwise as rows
from chainrule.primitives import trigonometric
from chainrule.primitives.random import random_bits

_BELOW_ONE = 1 - 2.0**-24  # the largest float32 below 1
_KEY_TYPE = ArrayType((2,), UINT32)


def as_seed(seed: Any) -> int:
    """Return a seed as an integer; a TypeError or a ValueError says what is none."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"a seed is an integer, not {seed!r}") from None
    if not 0 <= number < 2**64:
        raise ValueError(f"a seed is an integer from 0 to 2**64 - 1, not {seed}")
    return number


def random_key(seed: int) -> Array:
    """Return the key of a seed.

    Parameters
    ----------
    seed : int
        From 0 to 2⁶⁴ - 1.

    Returns
    -------
    array of uint32
        Two words.

    Raises
    ------
    ValueError
        If the seed is outside this range.
    TypeError
        If it is no integer.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.random_key(7)
    array([7, 0], dtype=uint32)
    """
    number = as_seed(seed)
    return np.array([number & 0xFFFFFFFF, number >> 32], np.uint32)


def _word(key: Operand, shape: Shape | int, step: Operand, site: int, word: int) -> Value:
    key = as_value(key)
    if key.type != _KEY_TYPE:
        raise ValueError(f"a key is {_KEY_TYPE}, made from a seed by cr.random_key, not {key.type}")
    words = getitem(key, 0), getitem(key, 1)
    bits = random_bits(*words, as_value(step), shape=as_shape(shape), site=site, word=word)
    return rows.cast(bits, dtype="float64")


def _unit(key: Operand, shape: Shape | int, step: Operand, site: int, word: int) -> Value:
    """Return multiples of 2^-53 in [0, 1) from two words."""
    high, low = (_word(key, shape, step, site, w) for w in (word, word + 1))
    return high * 2.0**-32 + rows.floor(low * 2.0**-11) * 2.0**-53


@array_function
def uniform(
    key: Operand, shape: Shape | int, *, dtype: object = "float32", step: Operand = 0, site: int = 0
) -> Any:
    """Return numbers drawn evenly from [0, 1).

    Parameters
    ----------
    key : array of uint32, shape (2,)
        From `random_key`.
    shape : tuple of int, or int
        Of the result.
    dtype : str or dtype, default "float32"
        ``"float32"`` or ``"float64"``.
    step : int, default 0
        The number of the training step; may be symbolic. Another step gives other numbers.
    site : int, default 0
        The number of the place that draws. Another site gives other numbers.

    Returns
    -------
    array
        Of this shape and dtype. It has no derivative.

    Raises
    ------
    ValueError
        If the key is none, or the dtype is no float.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.uniform(cr.random_key(0), (1000,))
    >>> bool((x >= 0).all() and (x < 1).all())
    True
    """
    chosen = as_float_dtype(dtype)
    numbers = _unit(key, shape, step, site, 0)
    if chosen == numbers.dtype:
        return numbers
    return rows.minimum(rows.cast(numbers, dtype=chosen.name), _BELOW_ONE)  # rounding may have reached 1


@array_function
def normal(
    key: Operand, shape: Shape | int, *, dtype: object = "float32", step: Operand = 0, site: int = 0
) -> Any:
    """Return numbers from the standard normal distribution: mean 0, variance 1.

    Parameters
    ----------
    key : array of uint32, shape (2,)
        From `random_key`.
    shape : tuple of int, or int
        Of the result.
    dtype : str or dtype, default "float32"
        ``"float32"`` or ``"float64"``.
    step : int, default 0
        The number of the training step; may be symbolic. Another step gives other numbers.
    site : int, default 0
        The number of the place that draws. Another site gives other numbers.

    Returns
    -------
    array
        Of this shape and dtype. It has no derivative.

    Raises
    ------
    ValueError
        If the key is none, or the dtype is no float.

    References
    ----------
    Box and Muller, "A note on the generation of random normal deviates", 1958.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.normal(cr.random_key(0), (10000,))
    >>> bool(abs(x.mean()) < 0.05), bool(abs(x.std() - 1) < 0.05)
    (True, True)
    """
    radius = rows.sqrt(-2 * rows.log(1 - _unit(key, shape, step, site, 0)))
    angle = (2 * math.pi) * _unit(key, shape, step, site, 2)
    return rows.cast(radius * trigonometric.cos(angle), dtype=as_float_dtype(dtype).name)


@array_function
def bernoulli(
    key: Operand, probability: Operand, shape: Shape | int, *, step: Operand = 0, site: int = 0
) -> Any:
    """Return bools that are true with a probability, to a resolution of 2⁻³².

    Parameters
    ----------
    key : array of uint32, shape (2,)
        From `random_key`.
    probability : float
        From 0, never true, to 1, always true.
    shape : tuple of int, or int
        Of the result.
    step : int, default 0
        The number of the training step; may be symbolic. Another step gives other bools.
    site : int, default 0
        The number of the place that draws. Another site gives other bools.

    Returns
    -------
    array of bool
        Of this shape.

    Raises
    ------
    ValueError
        If the key is none.

    Examples
    --------
    >>> import chainrule as cr
    >>> drawn = cr.bernoulli(cr.random_key(0), 0.25, (10000,))
    >>> bool(abs(drawn.mean() - 0.25) < 0.02)
    True
    """
    return _word(key, shape, step, site, 0) * 2.0**-32 < probability
