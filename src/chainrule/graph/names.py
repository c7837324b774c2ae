"""Unknown names, answered with the nearest known ones."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class UnknownOptionError(TypeError, ValueError):
    """A keyword that a function or class does not have."""


def unknown_name(what: str, name: object, known: Iterable[str]) -> str:
    """Return the sentence for a name that is not among the known ones: the nearest first, or all of them."""
    names = sorted(known)
    near = _abbreviated(str(name), names) or difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    there_are = f"there are {', '.join(names) or 'none'}"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else there_are
    return f"there is no {what} {name!r}; {hint}"


def _abbreviated(short: str, names: Iterable[str]) -> list[str]:
    """Return the names whose words begin with these letters, as those of learning_rate do with lr."""
    initials = {name: "".join(word[:1] for word in name.split("_")) for name in names}
    return [name for name, letters in initials.items() if len(short) > 1 and letters.startswith(short)]


def refuse_unknown_options(owner: str, given: Iterable[str], signature: inspect.Signature) -> None:
    """Raise a sentence with the nearest names for the first keyword that the signature does not have."""
    known = [
        name
        for name, parameter in signature.parameters.items()
        if name != "self" and parameter.kind is not parameter.POSITIONAL_ONLY
    ]
    for name in given:
        if name not in known:
            raise UnknownOptionError(f"{owner}: {unknown_name('option', name, known)}")


def refuse_surplus(owner: str, given: int, signature: inspect.Signature) -> None:
    """Raise a sentence that says what there is by position, if more was given."""
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return
    known = [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY]
    if given > len(known):
        others = [f"{one.name}=" for one in parameters if one.kind is one.KEYWORD_ONLY]
        fewer = "give one, or one list of them where it takes several" if len(known) == 1 else "give no more"
        hint = f"name the others: {', '.join(others)}" if others else fewer
        names = ", ".join(known) or "nothing"
        raise TypeError(f"{owner} takes {names} by position, and was given {given} arguments; {hint}")


def checked_options(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function answer an unknown keyword with the nearest names, and a surplus argument with all."""
    signature = inspect.signature(function)
    by_position = sum(one.kind is not one.KEYWORD_ONLY for one in signature.parameters.values())
    bound = "self" in signature.parameters

    def owner(args: tuple[Any, ...]) -> str:
        """Return the function's name; a method may be inherited, and a user knows the object's class."""
        if not bound:
            return function.__qualname__
        return f"{type(args[0]).__name__}.{function.__name__}".removesuffix(".__init__")

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            refuse_unknown_options(owner(args), kwargs, signature)
        if len(args) > by_position:
            refuse_surplus(owner(args), len(args) - bound, signature)
        return function(*args, **kwargs)

    return wrapper
