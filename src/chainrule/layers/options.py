"""A layer's numbers, checked when it is made and kept as plain Python numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from chainrule.graph.value import Value


def check_count(part: Any, field: str, most: float = math.inf) -> None:
    """Keep a field as an int from 1 to `most`, or raise a sentence that says what it is instead."""
    words = "of at least 1" if most == math.inf else f"from 1 to {most}"
    _check(part, field, int, f"a whole number {words}", lambda count: 1 <= count <= most)


def check_number(part: Any, field: str, words: str, contains: Callable[[float], bool]) -> None:
    """Keep a field as a float, or raise a sentence that says what it is instead.

    A layer made inside another's `forward` may be given a symbolic number, which was checked before.
    """
    if not isinstance(getattr(part, field), Value):
        _check(part, field, float, words, contains)


def _check(part: Any, field: str, plain: type, words: str, contains: Callable[[Any], bool]) -> None:
    value = getattr(part, field)
    sentence = f"{type(part).__name__}: {field} is {words}, not {value!r}"
    if not isinstance(value, Integral if plain is int else Real) or isinstance(value, bool):
        raise TypeError(sentence)
    if not contains(plain(value)):
        raise ValueError(sentence)
    object.__setattr__(part, field, plain(value))
