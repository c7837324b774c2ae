"""A task as JSON and arrays, and back: what a model file says besides the weights.

The package's own layers, losses, optimizers, schedules and penalties are written by name, with their fields.
A user's own function, layer or objective is written as its graph, so that a file needs no source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from chainrule import layers, losses, optimizers
from chainrule.graph.graph import Graph
from chainrule.graph.hyperparameters import Field, map_parts
from chainrule.graph.types import ROWS, Array, ArrayType, as_dtype
from chainrule.graph.value import Value, as_value, input_like, input_value
from chainrule.layers import Context, Initializer, Layer, Variables, Zeros
from chainrule.losses import FunctionLoss
from chainrule.training.step import BoundNetwork
from chainrule.training.task import DataTypes, Task
from chainrule.training.traced import (
    RecordedFunction,
    RecordedLayer,
    TracedFunction,
    TracedLayer,
    TracedLoss,
    TracedObjective,
    TracedPass,
    record_pass,
    trace_loss,
)

_TRACED = (TracedFunction, TracedLayer, TracedLoss, TracedObjective, TracedPass)

_PUBLIC = [getattr(module, name) for module in (layers, losses, optimizers) for name in module.__all__]

#: The classes that a file names.
KNOWN: dict[str, type] = {
    item.__name__: item
    for item in (*_PUBLIC, *_TRACED)
    if isinstance(item, type) and dataclasses.is_dataclass(item)
}


def describe_task(task: Task, data: DataTypes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the task as JSON, and the arrays that its functions captured.

    Parameters
    ----------
    task : Task
        What to describe.
    data : DataTypes
        The types of a batch, on which functions are traced.

    Raises
    ------
    ValueError
        If a part is a class of a user's own that cannot be written as a graph, such as an optimizer.
    """
    writer = _Writer()
    recorded = _recorded(task, data)
    description = {
        field: writer.write(getattr(recorded, field))
        for field in ("network", "loss", "objective", "optimizer", "penalties")
    }
    return {**description, "dtype": task.dtype.name}, writer.arrays


def restore_task(description: Mapping[str, Any], arrays: Mapping[str, Array]) -> Task:
    """Return the task that was described; a ValueError says what is unknown or missing."""
    reader = _Reader(arrays)
    parts = {
        field: reader.read(description[field])
        for field in ("network", "loss", "objective", "optimizer", "penalties")
    }
    return Task(**parts, dtype=as_dtype(description["dtype"]))


def _recorded(task: Task, data: DataTypes) -> Task:
    """Return the task with recorders in place of the user's own parts, after one trace."""
    own: Task = map_parts(task, "task", _recorder)
    variables = Variables(task.dtype, training=True)  # so that random draws are numbered as in training
    x = input_like("x", data.x)
    prediction = BoundNetwork(own.network, variables)(x)
    if callable(own.optimizer.learning_rate):
        step = input_value("step", (), "float64", weak=True)
        own.optimizer.learning_rate(step)
    loss, objective = task.loss, task.objective
    if loss is not None and (type(loss) not in KNOWN.values() or isinstance(loss, FunctionLoss)):
        traced = loss if isinstance(loss, TracedLoss) else trace_loss(loss, prediction.type, data.y)
        own = dataclasses.replace(own, loss=traced)
    if objective is not None and not isinstance(objective, TracedObjective):
        own = dataclasses.replace(own, objective=_record_objective(objective, task, data))
    return own


def _recorder(path: str, field: Field | None, part: Any) -> Any:
    """Return a recorder for a part of the user's own, otherwise the part."""
    whole = path.startswith(("task.loss", "task.objective"))  # which are traced by themselves
    if whole or type(part) in KNOWN.values() or isinstance(part, type | Task):
        return part
    if isinstance(part, Layer):
        return RecordedLayer(part)
    if isinstance(part, Initializer):
        return Zeros()  # the weights are there already
    return RecordedFunction(part) if callable(part) and not dataclasses.is_dataclass(part) else part


def _record_objective(objective: Callable[..., Any], task: Task, data: DataTypes) -> TracedObjective:
    def run(context: Context, x: Value, y: Value | None = None) -> Value:
        return as_value(objective(BoundNetwork(task.network, context.variables), x, y))

    arguments = {"x": data.x, **({} if data.y is None else {"y": data.y})}
    return TracedObjective(record_pass(run, arguments, Variables(task.dtype)))


class _Writer:
    """Turns parts into JSON; arrays that graphs captured are collected."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def write(self, part: Any) -> Any:
        if isinstance(part, RecordedFunction | RecordedLayer):
            part = part.traced()
        if part is None or isinstance(part, bool | int | float | str):
            return part
        if isinstance(part, list | tuple):
            return [self.write(each) for each in part]
        if isinstance(part, Mapping):
            return {"type": "dict", "items": {name: self.write(item) for name, item in part.items()}}
        if isinstance(part, Graph):
            return {"type": "Graph", "text": str(part), "captured": self._kept(part)}
        if isinstance(part, ArrayType):
            return {"type": "ArrayType", **type_as_json(part)}
        if KNOWN.get(type(part).__name__) is not type(part) or not dataclasses.is_dataclass(part):
            raise ValueError(
                f"{type(part).__name__} is a class of your own that a model file cannot hold: {part!r}; "
                "layers, losses, activations, schedules and objectives of your own can be saved"
            )
        fields = {field.name: self.write(getattr(part, field.name)) for field in dataclasses.fields(part)}
        return {"type": type(part).__name__, **fields}

    def _kept(self, graph: Graph) -> list[str]:
        """Collect the arrays that a graph captured; return their names in order."""
        names = []
        for value in graph.captured:
            assert value.data is not None
            names.append(f"captured/{len(self.arrays)}")
            self.arrays[names[-1]] = value.data
        return names


class _Reader:
    """Turns JSON back into parts."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def read(self, item: Any) -> Any:
        if isinstance(item, list):
            return tuple(self.read(each) for each in item)
        if not isinstance(item, dict):
            return item
        kind = item["type"]
        if kind == "dict":
            return {name: self.read(each) for name, each in item["items"].items()}
        if kind == "Graph":
            return Graph.from_text(item["text"], [self._arrays[name] for name in item["captured"]])
        if kind == "ArrayType":
            return type_from_json(item)
        if kind not in KNOWN:
            raise ValueError(f"it uses {kind!r}, which this version of chainrule does not have")
        return KNOWN[kind](**{name: self.read(each) for name, each in item.items() if name != "type"})


def type_as_json(type_: ArrayType | None) -> Any:
    """Return an array's type as JSON."""
    if type_ is None:
        return None
    return {"shape": ["rows" if dim is ROWS else dim for dim in type_.shape], "dtype": type_.dtype.name}


def type_from_json(item: Any) -> ArrayType | None:
    """Return the type that was written."""
    if item is None:
        return None
    shape = tuple(ROWS if dim == "rows" else int(dim) for dim in item["shape"])
    return ArrayType(shape, as_dtype(item["dtype"]))
