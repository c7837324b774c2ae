"""The numbers of optimizers and schedules: each field names its range, which is checked at once.

``momentum: float = field(default=0.0, metadata=FRACTION)``
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.graph.hyperparameters import RUN_TIME


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be: in words, as a test, and whether they are whole."""

    words: str
    contains: Callable[[float], bool]
    whole: bool = False

    def number(self, value: object, what: str) -> float:
        """Return the value as a plain float, or int, or say what is wrong with it."""
        kind = numbers.Integral if self.whole else numbers.Real
        if not isinstance(value, kind) or isinstance(value, bool):
            noun = "whole number" if self.whole else "number"
            raise TypeError(f"{what} should be a {noun}, {self.words}, not {value!r}")
        number = int(value) if isinstance(value, numbers.Integral) and self.whole else float(value)
        if not self.contains(number):
            raise ValueError(f"{what} should be {self.words}, not {number!r}")
        return number


def _metadata(words: str, contains: Callable[[float], bool], whole: bool = False) -> Mapping[str, Any]:
    return {"range": Range(words, contains, whole)}


AT_LEAST_ZERO = _metadata("at least 0", lambda number: 0 <= number < math.inf)
ABOVE_ZERO = _metadata("above 0", lambda number: 0 < number < math.inf)
FRACTION = _metadata("at least 0 and below 1", lambda number: 0 <= number < 1)
PROPER_FRACTION = _metadata("above 0 and below 1", lambda number: 0 < number < 1)
MULTIPLE = _metadata("at least 1", lambda number: number >= 1, whole=True)
#: Of steps: a schedule computes with them as with its rates.
COUNT = {**_metadata("at least 0", lambda number: number >= 0, whole=True), **RUN_TIME}
LENGTH = {**MULTIPLE, **RUN_TIME}


def check_options(part: Any) -> None:
    """Raise a sentence for the first field outside its range; make plain floats and ints of all others.

    A field whose default is None may be None.
    """
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if "range" in field.metadata and not (value is None and field.default is None):
            number = field.metadata["range"].number(value, f"{type(part).__name__}: {field.name}")
            object.__setattr__(part, field.name, number)
