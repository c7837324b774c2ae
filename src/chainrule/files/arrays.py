"""Named arrays and a JSON description in one safetensors file. Reading one runs no code from it."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.files.atomic import require_path, write_atomically
from chainrule.files.errors import FolderError, MissingFileError
from chainrule.graph.types import Array

_KEY = "chainrule"


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], description: Mapping[str, Any]
) -> None:
    """Write arrays and a description, whole or not at all.

    Parameters
    ----------
    path : str or path
        Where to.
    arrays : mapping of arrays
        By name; numbers or bools, of any shape.
    description : mapping
        Anything that JSON can hold.

    Raises
    ------
    TypeError
        If JSON cannot hold the description.
    OSError
        If the file cannot be written; it is then untouched. Where no file can stand there at all, the
        error is a ValueError as well.

    Examples
    --------
    >>> import numpy as np
    >>> write_arrays("two.safetensors", {"weight": np.array([1.0, 2.0])}, {"epochs": 3})
    >>> read_arrays("two.safetensors")
    ({'weight': array([1., 2.])}, {'epochs': 3})
    """
    from safetensors.numpy import save  # who keeps no file does without it

    tensors = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    text = json.dumps(description)
    # one entry: safetensors writes several in any order, and equal models are equal files
    write_atomically(path, save(tensors, metadata={_KEY: f"{text}\n{_checksum(tensors, text)}"}))


def _checksum(arrays: Mapping[str, Array], text: str) -> str:
    """Return a number that changes with any bit of arrays and their description."""
    total = zlib.crc32(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), total)
        total = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, total)
    return str(total)


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and the description of a file that `write_arrays` wrote.

    Parameters
    ----------
    path : str or path
        The file. Nothing in it is run.

    Returns
    -------
    arrays : dict of ndarray
        By name.
    description : dict

    Raises
    ------
    OSError
        If the file cannot be read. Where there is none, or a folder, the error is a ValueError as well.
    ValueError
        If it is no such file, or is damaged.
    TypeError
        If `path` is no path.
    """
    from safetensors import SafetensorError, safe_open  # late, as above

    require_path(path)
    if not Path(path).exists():
        raise MissingFileError(f"there is no file {os.fspath(path)!r}; check its path")
    if Path(path).is_dir():
        raise FolderError(f"{os.fspath(path)!r} is a folder, not a model file; name the file in it")
    with open(path, "rb"):  # safetensors says of a file that may not be read that there is none
        pass
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            text, _, checksum = (file.metadata() or {})[_KEY].partition("\n")
            description = json.loads(text)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
        if not isinstance(description, dict):
            raise ValueError("the description is no object")
        if checksum and checksum != _checksum(arrays, text):  # older files have none
            raise ValueError("a number has changed")
        return arrays, description
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise ValueError(
            f"{os.fspath(path)!r} is not a model file of chainrule, or it is damaged; "
            "name a file that a model was saved to, or save the model again"
        ) from None
