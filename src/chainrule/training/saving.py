"""A trainer as one file, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from chainrule.files import read_arrays, write_arrays
from chainrule.graph.types import Array, ArrayType
from chainrule.layers import Declaration, declare
from chainrule.training.data import as_count
from chainrule.training.description import describe_task, restore_task, type_as_json, type_from_json
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer

_FORMAT = 1
_REMEDY = "load it with the version of chainrule that wrote it, or train the model and save it again"
_GROUPS = ("parameters", "state", "optimizer")


def save_trainer(trainer: Trainer, path: str | os.PathLike[str], more: Mapping[str, Any]) -> None:
    """Write a trainer into a file, with `more` that JSON can hold; whole or not at all."""
    carried, x = trainer.carried, trainer.x
    assert x is not None
    data = trainer.data or DataTypes(x, None, weighted=False)
    description, captured = describe_task(trainer.task, data)
    header = {
        "format": _FORMAT,
        **description,
        "x": type_as_json(x),
        "y": type_as_json(data.y),
        "step": trainer.loop_state.step,
        "epoch": trainer.loop_state.epoch,
        **({"feature_names": trainer.feature_names} if trainer.feature_names else {}),
        **more,
    }
    groups = dict(zip(_GROUPS, (carried.parameters, carried.state, carried.optimizer_state), strict=True))
    arrays = {
        f"{group}:{name}": trainer.loop_state.carried[name] for group in groups for name in groups[group]
    }
    write_arrays(path, {**arrays, **captured}, header)


def load_trainer(path: str | os.PathLike[str], more: Iterable[str]) -> tuple[Trainer, dict[str, Any]]:
    """Return the trainer in a file, and the entries that were saved as `more`; a ValueError says why not."""
    arrays, header = read_arrays(path)
    if "checkpoint" in header:
        raise ValueError(
            f"{os.fspath(path)!r} is a checkpoint; give it to the fit that it is of, as checkpoint="
        )
    try:
        if header["format"] > _FORMAT:
            raise ValueError(f"it was written by a newer version (format {header['format']})")
        kept = {name: header[name] for name in more}
        trainer = Trainer(restore_task(header, arrays), header["seed"])
        x = type_from_json(header["x"])
        if x is None:
            raise ValueError("it does not say what the network takes")
        _enter(trainer, x, arrays)
        trainer.data = DataTypes(x, type_from_json(header["y"]), weighted=False)
        step, epoch = (as_count(header[name], name, least=0) for name in ("step", "epoch"))
        trainer.loop_state = replace(trainer.loop_state, step=step, epoch=epoch)
        trainer.feature_names = _as_names(header.get("feature_names"), x)
    except KeyError as error:
        raise ValueError(
            f"{os.fspath(path)!r} is damaged: it lacks {error}; train the model and save it again"
        ) from None
    except (LookupError, ArithmeticError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise unreadable(path, error) from None
    return trainer, kept


def unreadable(path: str | os.PathLike[str], error: Exception) -> ValueError:
    """Return the error for a file whose entries make no model."""
    return ValueError(f"{os.fspath(path)!r} cannot be read as a model: {error}; {_REMEDY}")


def _as_names(names: Any, x: ArrayType) -> list[str] | None:
    """Return the names of x's columns as a file has them; None if it has none."""
    if names is not None and not (isinstance(names, list) and len(names) == x.shape[-1]):
        raise ValueError("its feature_names are not one for each feature")
    return None if names is None else list(map(str, names))


def _enter(trainer: Trainer, x: ArrayType, arrays: Mapping[str, Array]) -> None:
    """Give a trainer the arrays of a file, in the order in which its network and optimizer name them."""
    task = trainer.task

    def group(prefix: str, types: Mapping[str, ArrayType]) -> dict[str, Array]:
        for name, type_ in types.items():
            array = arrays.get(f"{prefix}:{name}")
            if array is None or ArrayType(array.shape, array.dtype) != type_:
                raise ValueError(f"{name} should be there as {type_}")
        return {name: arrays[f"{prefix}:{name}"] for name in types}

    def declared(declarations: Mapping[str, Declaration]) -> dict[str, ArrayType]:
        return {name: ArrayType(one.shape, task.dtype) for name, one in declarations.items()}

    variables, output = declare(task.network, x.shape, task.dtype)
    parameters = group("parameters", declared(variables.declared_parameters))
    state = group("state", declared(variables.declared_state))
    slots = task.optimizer.initial_state(parameters)
    kept = group("optimizer", {name: ArrayType(slot.shape, slot.dtype) for name, slot in slots.items()})
    trainer.enter(x, output.type, parameters, state, kept)
