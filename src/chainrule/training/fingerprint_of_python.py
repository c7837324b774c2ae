"""What Python functions are that are in no graph, in a form that can be kept and compared."""

from __future__ import annotations

import hashlib
import inspect
import sysconfig
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.training.fingerprint import items_of


def fingerprint_of_python(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fingerprint of named Python functions that are in no graph, and of what has a ``__call__``.

    An object is its attributes, and a partial its function and arguments. A function is its name and, unless
    a library brings it, its code, its defaults and the constants of the function around it. What is read
    elsewhere, such as global variables, is not known.

    Examples
    --------
    >>> from functools import partial
    >>> fingerprint_of_python({"scoring": partial(max, 3, default=5)})
    {'scoring': 'partial', 'scoring.func': 'max', 'scoring.args.0': 3, 'scoring.keywords.default': 5}
    """
    return {name: value for path, part in parts.items() for name, value in _python_items(path, part, ())}


def _python_items(path: str, part: Any, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """Return the fingerprints of a part, which these objects hold, and of its own parts, by path."""
    own: Mapping[Any, Any]
    part = inspect.unwrap(part)
    if isinstance(part, partial):
        own = {"func": part.func, "args": part.args, "keywords": part.keywords}
    elif isinstance(part, MethodType):
        own = {"func": part.__func__, "object": part.__self__}
    elif isinstance(part, FunctionType):
        own = _parts_of_function(part)
    elif isinstance(part, Mapping):
        own = part
    elif isinstance(part, list | tuple):
        own = dict(enumerate(part))
    elif hasattr(part, "__dict__") and not isinstance(part, type | ModuleType):
        own = {**vars(part), **({"call": type(part).__call__} if callable(part) else {})}
    elif isinstance(part, CodeType):
        text = _text_of_code(part)
        yield path, {"python": MAGIC_NUMBER.hex(), "hash": hashlib.sha256(text.encode()).hexdigest()}
        return
    else:
        yield from items_of(path, part)
        return
    if not isinstance(part, Mapping | list | tuple):
        yield path, getattr(part, "__name__", type(part).__name__)
    for name, each in own.items() if id(part) not in above else ():
        yield from _python_items(f"{path}.{str(name).lstrip('_')}", each, (*above, id(part)))


def _parts_of_function(function: Any) -> dict[str, Any]:
    """Return what a function is made of besides its name: nothing, if that of a library is enough."""
    code: CodeType = function.__code__
    file = Path(code.co_filename)
    if {"site-packages", "dist-packages"} & {*file.parts} or file.is_relative_to(
        sysconfig.get_path("stdlib")
    ):
        return {}
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    around = {name: cell.cell_contents for name, cell in cells if cell != CellType()}
    defaults = {**dict(enumerate(function.__defaults__ or ())), **(function.__kwdefaults__ or {})}
    kept = {**around, **{f"default.{name}": value for name, value in defaults.items()}}
    return {"code": code, **{name: value for name, value in kept.items() if _is_constant(value)}}


def _is_constant(value: Any) -> bool:
    """Whether it is no list or object, which a function may change in a fit."""
    constants = bool, int, float, str, tuple, np.generic, np.ndarray, FunctionType, partial
    return value is None or isinstance(value, constants)


def _text_of_code(code: CodeType) -> str:
    """Return code as text that is the same in each process of one version of Python."""

    def text(constant: Any) -> str:
        if isinstance(constant, frozenset):
            return str(sorted(map(repr, constant)))
        return _text_of_code(constant) if isinstance(constant, CodeType) else repr(constant)

    return f"{code.co_code.hex()} {code.co_names} {[text(constant) for constant in code.co_consts]}"
