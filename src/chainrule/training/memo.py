"""Graphs that this process has traced before: an equal task, up to its numbers, needs no new ones."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from chainrule.graph.hyperparameters import structure
from chainrule.graph.loop import Stage
from chainrule.graph.types import ArrayType
from chainrule.training.task import CarriedTypes, DataTypes, Task

#: How many are kept; the one that was not asked for the longest goes first.
MOST_KEPT = 128
_stages: dict[Hashable, Stage] = {}


def remembered(
    kind: Hashable, task: Task, carried: CarriedTypes, data: DataTypes | ArrayType, make: Callable[[], Stage]
) -> Stage:
    """Return the stage of this kind, traced if it is new.

    A task with a part of a user's own is traced each time: what such a part does may have changed.

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
    key = (kind, form, tuple(_ordered(group) for group in groups), data)
    stage = _stages.pop(key, None) or make()
    _stages[key] = stage
    if len(_stages) > MOST_KEPT:
        _stages.pop(next(iter(_stages)), None)
    return stage


def _ordered(types: Mapping[str, Any]) -> Hashable:
    return tuple(types.items())
