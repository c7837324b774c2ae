"""What a fit is made of, in a form that can be kept and compared: data by shape and hash, options by name."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.graph.graph import Graph
from chainrule.graph.loop import Inputs, Loop, LoopState
from chainrule.graph.sparse import SparseRows, Table
from chainrule.graph.types import Array, str_shape

#: By name: a number, a text, a flag; or {"hash": ...}, with shape and dtype, for what is too large to show.
Fingerprint = Mapping[str, Any]


def fingerprint(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fingerprint of named parts: numbers, texts, arrays, graphs, dataclasses, lists and dicts.

    The fields of a dataclass, and the elements of a list, have names of their own. A function is known by its
    name alone: its formula is in the fingerprint of the loop.

    Examples
    --------
    >>> import chainrule as cr
    >>> fingerprint({"loss": cr.Huber(delta=0.5), "shuffle": True})
    {'loss': 'Huber', 'loss.delta': 0.5, 'shuffle': True}
    """
    return {name: value for path, part in parts.items() for name, value in items_of(path, part)}


def identity(
    loop: Loop,
    inputs: Inputs,
    options: Mapping[str, Any],
    *,
    chosen: Mapping[str, Any] | None = None,
    called: Fingerprint | None = None,
) -> dict[str, Fingerprint]:
    """Return the fingerprints of all that a run's results depend on, but for the state that it starts from.

    They are in groups; what comes first makes the better sentence, and a later group repeats much of it.

    Parameters
    ----------
    loop : Loop
        What is done.
    inputs : Inputs
        What it is done on; how many epochs and threads does not matter.
    options : mapping
        By the names that a user knows: whatever the loop was made from.
    chosen : mapping, optional
        Those of them that decide which data the loop is given, such as how many rows are held out.
    called : fingerprint, optional
        That of Python functions, which are in no graph.
    """
    validation = {f"validation {name}": array for name, array in inputs.validation_data.items()}
    rows = len(next(iter(inputs.data.values())))
    sizes = {"batch_size": min(inputs.batch_size, rows), "shuffle": loop.shuffle}
    stages = {"step": loop.step, "validation": loop.validation, "end of an epoch": loop.epoch_end}
    formulas = {f"the formula of the {name}": stage and stage.graph for name, stage in stages.items()}
    numbers = {path: number.tolist() for path, number in inputs.arguments.items()}
    return {
        "chosen": {**fingerprint(chosen or {}), **(called or {})},
        "data": fingerprint({**inputs.data, **validation}),
        "options": fingerprint({**sizes, **options}),
        "formulas": fingerprint({**numbers, "the random key": inputs.key, **formulas}),
    }


def fingerprint_of_model(state: LoopState, own: Iterable[str]) -> dict[str, Any]:
    """Return the fingerprint of what a model has of a run's state: arrays of its own, and its counters."""
    arrays = {name: state.carried[name] for name in own}
    return {"steps": state.step, "epochs": state.epoch, "hash": _hash(arrays)}


def differences(before: Fingerprint, now: Fingerprint) -> list[str]:
    """Return what differs, a part of a sentence each.

    Examples
    --------
    >>> differences({"batch_size": 32, "seed": 0}, {"batch_size": 64, "seed": 0, "weight": "given"})
    ['batch_size was 32 and is 64', "weight was absent and is 'given'"]
    """
    names = [*now, *(name for name in before if name not in now)]
    return [_difference(name, before, now) for name in names if _differs(before.get(name), now.get(name))]


def _differs(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("python") != new.get("python"):
        return False  # each version of Python has other code for one and the same text
    return bool(old != new)


def _difference(name: str, before: Fingerprint, now: Fingerprint) -> str:
    old, new = before.get(name), now.get(name)
    if isinstance(old, dict) and isinstance(new, dict):
        for kind in ("shape", "dtype"):
            if old.get(kind) != new.get(kind):
                return f"{name} had the {kind} {old.get(kind)} and has {new.get(kind)}"
        return f"{name} holds other numbers" if "shape" in new else f"{name} differs"
    return f"{name} was {_shown(name, before)} and is {_shown(name, now)}"


def _shown(name: str, prints: Fingerprint) -> str:
    if name not in prints:
        return "absent"
    value = prints[name]
    return "given" if isinstance(value, dict) else repr(value)


def items_of(path: str, part: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fingerprints of a part and of its own parts, by path."""
    if part is None or isinstance(part, bool | int | float | str):
        yield path, part
    elif isinstance(part, np.generic):
        yield path, part.item()
    elif isinstance(part, np.ndarray | SparseRows):
        yield path, _of_numbers(part)
    elif isinstance(part, Graph):
        yield path, {"hash": _hash_of_graph(part)}
    elif isinstance(part, Mapping):
        for name, each in part.items():
            yield from items_of(f"{path}.{name}", each)
    elif isinstance(part, list | tuple):
        for i, each in enumerate(part):
            yield from items_of(f"{path}.{i}", each)
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        yield path, type(part).__name__
        for field in dataclasses.fields(part):
            yield from items_of(f"{path}.{field.name}", getattr(part, field.name))
    else:
        yield path, getattr(part, "__name__", type(part).__name__)


def _of_numbers(table: Table) -> dict[str, str]:
    if isinstance(table, SparseRows):
        form, arrays = ", sparse", {"": table.values, "columns": table.columns, "starts": table.starts}
    else:
        form, arrays = "", {"": table}
    return {"shape": str_shape(table.shape) + form, "dtype": str(table.dtype), "hash": _hash(arrays)}


def _hash(arrays: Mapping[str, Array]) -> str:
    """Return a hash of names, shapes, dtypes and bytes (SHA-256: a gigabyte in less than a second)."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} {array.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _hash_of_graph(graph: Graph) -> str:
    captured = {str(i): np.asarray(value.data) for i, value in enumerate(graph.captured)}
    return hashlib.sha256(f"{graph}{_hash(captured)}".encode()).hexdigest()
