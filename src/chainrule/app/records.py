"""Dataclasses come back from JSON with every field checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

T = TypeVar("T")


def record_from_json(kind: type[T], item: Mapping[str, Any]) -> T:
    """Return a dataclass of strings, numbers and tuples of them that was written as JSON.

    Raises
    ------
    TypeError
        Where a field is missing, unknown or of another type.

    Examples
    --------
    >>> from chainrule.app.target import ClassTarget
    >>> record_from_json(ClassTarget, {"name": "kind", "classes": ["a", "b"]})
    ClassTarget(name='kind', classes=('a', 'b'))
    """
    made = kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in item.items()})
    types = get_type_hints(kind)
    for field in fields(made):  # type: ignore[arg-type]  # it is a dataclass
        if not _is_a(getattr(made, field.name), types[field.name]):
            raise TypeError(f"{field.name} is no {types[field.name]}")
    return made


def _is_a(value: Any, type_: Any) -> bool:
    """Whether a value is what an annotation says: str, int, float, or a tuple of any number of one."""
    if get_args(type_):
        return isinstance(value, tuple) and all(_is_a(item, get_args(type_)[0]) for item in value)
    if type_ is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type_
