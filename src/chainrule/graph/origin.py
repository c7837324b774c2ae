"""Where a value comes from: the stage of the training step and the part of the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Origin(NamedTuple):
    """The stage (forward, loss, backward, update) and the part (`layers.0`) that a value belongs to."""

    stage: str = ""
    part: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


_current: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  (it is immutable)


def current_origin() -> Origin:
    """Return the origin that a value made now gets."""
    return _current.get()


def part_of(name: str) -> str:
    """Return the part of the network that a parameter, or what is kept of one, belongs to.

    Examples
    --------
    >>> part_of("layers.0.weight"), part_of("layers.0.weight/velocity"), part_of("weight")
    ('layers.0', 'layers.0', '')
    """
    return name.partition("/")[0].rpartition(".")[0]


@contextmanager
def origin(stage: str | None = None, part: str | None = None) -> Iterator[None]:
    """Give every value made inside the `with` block this stage and part; None keeps the outer one."""
    outer = _current.get()
    token = _current.set(
        Origin(outer.stage if stage is None else stage, outer.part if part is None else part)
    )
    try:
        yield
    finally:
        _current.reset(token)
