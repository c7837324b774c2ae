"""Named arrays and a JSON description in one safetensors file. Reading one runs no code from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.files.atomic import write_atomically
from chainrule.graph.types import Array

_KEY = "chainrule"


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]
) -> None:
    """Write arrays and a description, whole or not at all."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    write_atomically(path, save(tensors, metadata={_KEY: json.dumps(description)}))


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description of a file.

    Raises
    ------
    FileNotFoundError, OSError
        If the file cannot be read.
    ValueError
        If it is no such file, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{os.fspath(path)!r} is a folder, not a model file")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            description = json.loads((file.metadata() or {})[_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{os.fspath(path)!r} is not a model file of chainrule, or it is damaged") from None
