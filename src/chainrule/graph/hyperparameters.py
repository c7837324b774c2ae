"""The numbers of a frozen dataclass become inputs of a graph, so that changing one needs no new graph.

A layer, loss or optimizer is a frozen dataclass. Its fields annotated `float`, or marked `RUN_TIME`, are its
hyperparameters: run-time arguments of a training step. So are the numbers in a mapping to `float`, and those
of a tuple in a marked field, together. Everything else (widths, names, flags, None) is structure and stays in
the graph. A number that is exactly 0 is structure too: it means that the part of the formula is absent; not
so in a field marked `EVEN_ZERO`, whose part is always there. In one marked `ABSENT_AT_ONE` 1 means absence.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from chainrule.graph.types import FLOAT64, Array
from chainrule.graph.value import Value, input_value

#: The metadata of a field whose number is an input even if it is 0.
EVEN_ZERO: Mapping[str, bool] = {"even zero": True}
#: The metadata of a field whose number is absent if it is 1, as a factor is.
ABSENT_AT_ONE: Mapping[str, bool] = {"absent at one": True}
#: The metadata of a field whose whole number, or whose tuple of numbers, is an input: a formula computes with
#: it, and no shape has it.
RUN_TIME: Mapping[str, bool] = {"run time": True}
T = TypeVar("T")
Field = dataclasses.Field[Any]


def hyperparameters(item: Any, prefix: str) -> dict[str, Array]:
    """Return the numbers in a dataclass and in those nested in it, by path: ``layers.1.rate``."""
    return {path: np.asarray(number, FLOAT64) for path, number in _numbers(item, prefix, None)}


def with_inputs(item: T, prefix: str, inputs: dict[str, Value]) -> T:
    """Return a copy whose numbers are weak float64 inputs, which are entered into `inputs` by their path."""

    def lift(path: str, field: Field | None, value: Any) -> Any:
        if field is None or not _is_number(field, value):
            return value
        return inputs.setdefault(path, input_value(path, np.shape(value), FLOAT64, weak=True))

    return map_parts(item, prefix, lift)


def map_parts(item: T, prefix: str, replace: Callable[[str, Field | None, Any], Any]) -> T:
    """Return a copy of nested dataclasses, sequences and mappings with every part replaced.

    ``replace(path, field, part)`` sees the item itself, every field of a dataclass, every element of a
    sequence (field None) and of a mapping (the field that holds it). It returns something new, or the same
    part, whose own parts then follow. Copies are made without running ``__post_init__``, which has seen the
    real numbers.
    """

    def mapped(part: Any, path: str, field: Field | None) -> Any:
        new = replace(path, field, part)
        if new is not part:
            return new
        if isinstance(part, list | tuple):
            return type(part)(mapped(each, f"{path}.{i}", None) for i, each in enumerate(part))
        if isinstance(part, Mapping):
            mapping = {name: mapped(each, f"{path}[{name}]", field) for name, each in part.items()}
            return part if all(mapping[name] is each for name, each in part.items()) else mapping
        if not _is_part(part):
            return part
        twin = copy.copy(part)
        for each in dataclasses.fields(part):
            value = mapped(getattr(part, each.name), f"{path}.{each.name}", each)
            object.__setattr__(twin, each.name, value)
        return twin

    result: T = mapped(item, prefix, None)
    return result


def structure(item: Any) -> Hashable | None:
    """Return what of a dataclass stays in a graph: equal for two that differ in their numbers alone.

    None stands for an item with a part that is not chainrule's own, of which nobody knows whether it still
    does what it did.

    Examples
    --------
    >>> import chainrule as cr
    >>> structure(cr.Dropout(0.1)) == structure(cr.Dropout(0.2)) != structure(cr.Dropout(0.0))
    True
    >>> structure(cr.Activation(lambda x: x * x)) is None
    True
    """
    try:
        return _structure(item, None)
    except _ForeignError:
        return None


class _ForeignError(Exception):
    """A part is not chainrule's own."""


def _structure(part: Any, field: Field | None) -> Hashable:
    if field is not None and _is_number(field, part):
        return "a number", np.shape(part)
    if part is None or isinstance(part, bool | int | float | str | np.dtype):
        return type(part), part
    if isinstance(part, list | tuple):
        return type(part), tuple(_structure(each, None) for each in part)
    if isinstance(part, Mapping):
        return dict, tuple((name, _structure(each, field)) for name, each in part.items())
    if _is_part(part) and _is_own(type(part)):
        fields = dataclasses.fields(part)
        return type(part), tuple(_structure(getattr(part, each.name), each) for each in fields)
    if isinstance(part, FunctionType) and _is_own(part):
        return part
    raise _ForeignError


def _is_own(item: type | FunctionType) -> bool:
    """Whether a class or function stands in a module of chainrule."""
    module: Any = item.__module__
    if not isinstance(module, str) or not module.startswith("chainrule."):
        return False
    return getattr(sys.modules.get(module), item.__qualname__, None) is item


def is_zero(number: float | Value) -> bool:
    """Whether a hyperparameter is absent: the number 0. An input never is."""
    return not isinstance(number, Value) and number == 0


def is_one(number: float | Value) -> bool:
    """Whether a hyperparameter that is `ABSENT_AT_ONE` is absent: the number 1. An input never is."""
    return not isinstance(number, Value) and number == 1


def _numbers(part: Any, path: str, field: Field | None) -> Iterator[tuple[str, Any]]:
    if field is not None and _is_number(field, part):
        yield path, part
    elif isinstance(part, list | tuple):
        for i, each in enumerate(part):
            yield from _numbers(each, f"{path}.{i}", None)
    elif isinstance(part, Mapping):
        for name, each in part.items():
            yield from _numbers(each, f"{path}[{name}]", field)
    elif _is_part(part):
        for own in dataclasses.fields(part):
            yield from _numbers(getattr(part, own.name), f"{path}.{own.name}", own)


def _is_part(part: Any) -> bool:
    return dataclasses.is_dataclass(part) and not isinstance(part, type)


def _is_number(field: Field, value: Any) -> bool:
    """Whether a field holds a run-time number: it is said to be one, and not 0, or 1, where that is absence.

    It may hold several in a tuple, if it is marked.
    """
    annotated = "float" in (
        field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    )
    marked = RUN_TIME.items() <= field.metadata.items()
    if marked and isinstance(value, tuple):
        return True
    said = annotated or marked
    if not said or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if ABSENT_AT_ONE.items() <= field.metadata.items():
        return value != 1
    return value != 0 or EVEN_ZERO.items() <= field.metadata.items()
