"""What this process has traced before: an equal task, up to its numbers, needs no new graphs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

from chainrule.graph.hyperparameters import structure
from chainrule.graph.loop import Stage
from chainrule.graph.types import ArrayType
from chainrule.graph.value import PRIMITIVES
from chainrule.layers import Declaration, Layer, declare
from chainrule.training.task import CarriedTypes, DataTypes, Task

#: How many are kept; the one that was not asked for the longest goes first.
MOST_KEPT = 128
_kept: dict[Hashable, Any] = {}
_lock = threading.Lock()
T = TypeVar("T")


class Declared(NamedTuple):
    """What a network declares, by name, and the type of its output."""

    parameters: Mapping[str, Declaration]
    state: Mapping[str, Declaration]
    output: ArrayType


def remembered(
    kind: Hashable, task: Task, carried: CarriedTypes, data: DataTypes | ArrayType, make: Callable[[], Stage]
) -> Stage:
    """Return the stage of this kind, traced if it is new.

    A task with a part of a user's own is traced each time: what such a part does may have changed. So is
    every task after a primitive's derivative has been replaced, as somebody does who tries out a wrong one.

    Parameters
    ----------
    kind : hashable
        What it does, and all that it depends on besides the others.
    task, carried, data
        What it is traced of.
    make : callable
        Traces it.
    """
    form = structure(task)
    if form is None:
        return make()
    groups = (carried.parameters, carried.state, carried.optimizer_state)
    derivatives = tuple(row.derivative for row in PRIMITIVES.values())
    key = (kind, form, tuple(tuple(group.items()) for group in groups), data, derivatives)
    return _found(key, make)


def declared(network: Layer, x: ArrayType) -> Declared:
    """Return what a network declares for rows of this type; one of a user's own is asked each time."""

    def make() -> Declared:
        variables, output = declare(network, x.shape, x.dtype)
        return Declared(variables.declared_parameters, variables.declared_state, output.type)

    return make() if structure(network) is None else _found((network, x), make)


def _found(key: Hashable, make: Callable[[], T]) -> T:
    """Return what is kept under a key, or make and keep it."""
    found: T | None = _kept.get(key)
    if found is None:
        found = make()
    with _lock:  # fits in several threads share what is kept
        _kept.pop(key, None)
        _kept[key] = found
        if len(_kept) > MOST_KEPT:
            del _kept[next(iter(_kept))]
    return found
