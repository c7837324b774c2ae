"""What layers, losses, optimizers and callbacks may be given: each number of theirs names its range.

``momentum: float = field(default=0.0, metadata=FRACTION)``
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from chainrule.graph.hyperparameters import RUN_TIME
from chainrule.graph.names import refuse_surplus, refuse_unknown_options, unknown_name
from chainrule.graph.value import Value


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be: in words, as a test, and whether they are whole."""

    words: str
    contains: Callable[[float], bool]
    whole: bool = False

    def number(self, value: Any, what: str) -> float:
        """Return the value as a plain float, or int, or say what it is instead."""
        sentence = f"{what} is {self.words}, not {value!r}"
        if not isinstance(value, numbers.Integral if self.whole else numbers.Real) or isinstance(value, bool):
            raise TypeError(sentence)
        plain: Callable[[Any], float] = int if self.whole else float
        number = plain(value)
        if not self.contains(number):
            raise ValueError(sentence)
        return number


def ranged(words: str, contains: Callable[[float], bool], whole: bool = False) -> Mapping[str, Any]:
    """Return the metadata of a field whose numbers are these."""
    return {"range": Range(words, contains, whole)}


FINITE = ranged("a finite number", math.isfinite)
AT_LEAST_ZERO = ranged("a finite number of at least 0", lambda number: 0 <= number < math.inf)
ABOVE_ZERO = ranged("a finite number above 0", lambda number: 0 < number < math.inf)
FRACTION = ranged("a number from 0 to below 1", lambda number: 0 <= number < 1)
PROPER_FRACTION = ranged("a number above 0 and below 1", lambda number: 0 < number < 1)
COUNT = ranged("a whole number of at least 1", lambda number: number >= 1, whole=True)
#: Of steps or epochs: a formula computes with them as with rates.
LENGTH = {**COUNT, **RUN_TIME}
LENGTH_OR_NONE = {
    **ranged("a whole number of at least 0", lambda number: number >= 0, whole=True),
    **RUN_TIME,
}


class CheckedOptions:
    """A base of dataclasses whose options are checked: their number and names, and the ranges of fields.

    An unknown name is answered with the nearest ones, one too many with all. Numbers become plain floats and
    ints, and what is annotated `bool` a plain bool. A field whose default is None may be None, and a part
    that is made in a layer's `forward` may be given a symbolic number, which was checked before. An option
    that is set later is answered with what to do instead.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    #: How another object with other options takes the place of one that is there.
    _another: ClassVar[str] = "make another, as in dataclasses.replace(..., {name}=...)"

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Look at the keywords before ``__init__`` does."""
        if _is_frozen(cls) and cls.__dict__["__setattr__"] is not _refuse_to_set:
            cls.__setattr__ = _refuse_to_set  # type: ignore[assignment, method-assign]
        if kwargs:
            refuse_unknown_options(cls.__name__, kwargs, _signature(cls.__init__))
        if len(args) > 1:  # one is never too many
            refuse_surplus(cls.__name__, len(args), _signature(cls.__init__))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Raise a sentence for the first field outside its range."""
        for field in dataclasses.fields(self):
            value, what = getattr(self, field.name), f"{type(self).__name__}: {field.name}"
            if isinstance(value, Value) or (value is None and field.default is None):
                continue
            if "range" in field.metadata:
                object.__setattr__(self, field.name, field.metadata["range"].number(value, what))
            elif field.type in ("bool", bool):
                object.__setattr__(self, field.name, as_flag(value, what))


def as_flag(value: Any, what: str) -> bool:
    """Return a plain bool; text, of which "no" is as true as "yes", is none. 0 and 1 are taken for one."""
    if not isinstance(value, numbers.Integral | np.bool_) or value not in (0, 1):
        raise TypeError(f"{what} is True or False, not {value!r}")
    return bool(value)


def _is_frozen(cls: type) -> bool:
    """Whether a class is a frozen dataclass itself, whose ``__setattr__`` names no remedy."""
    return "__dataclass_params__" in cls.__dict__ and bool(cls.__dict__["__dataclass_params__"].frozen)


def _refuse_to_set(self: CheckedOptions, name: str, value: Any) -> None:
    """Say what to do instead; an attribute of its own may be set in a subclass that is no dataclass."""
    options = [field.name for field in dataclasses.fields(self)]
    if name in options:
        raise dataclasses.FrozenInstanceError(
            f"{type(self).__name__}: {name} cannot be set; {self._another.format(name=name)}"
        )
    if _is_frozen(type(self)):
        raise dataclasses.FrozenInstanceError(
            f"{type(self).__name__}: nothing can be set, and {unknown_name('option', name, options)}"
        )
    object.__setattr__(self, name, value)


_signature = functools.lru_cache(256)(inspect.signature)
