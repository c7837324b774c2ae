"""Output files are refused before any work is done."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chainrule.app.predict import load_trained
from chainrule.files import check_place


def check_output(path: Path, *inputs: Path) -> None:
    """Raise a ValueError if no file can be written here, or it would take the place of an input.

    Parameters
    ----------
    path : Path
        The file to be written later.
    *inputs : Path
        Files that must stay.
    """
    folder = check_place(path).parent
    if any(path.exists() and item.exists() and path.samefile(item) for item in inputs):
        raise ValueError(f"the output {path} would take the place of the input; choose another output")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as problem:
        raise ValueError(
            f"the folder {folder} cannot be written to ({problem.strerror}); choose another output"
        ) from None


def check_unnamed(path: Path, target: str) -> None:
    """Raise a ValueError if a file that nobody named would take the place of anything but such a model.

    Parameters
    ----------
    path : Path
        The file to be written later, by the table's name.
    target : str
        What the model will predict.
    """
    if not path.exists():
        return
    try:
        there = load_trained(path)[1].target.name
    except ValueError:
        raise ValueError(
            f"{path} is there already, and no model of a table; name the output: -o MODEL"
        ) from None
    if there != target:
        raise ValueError(f"{path} is there already, and predicts {there!r}; name the output: -o MODEL")


def check_checkpoint(path: Path, output: Path, table: Path) -> None:
    """Raise a ValueError if training cannot be written here, or it would take the place of another file."""
    if path.resolve() == output.resolve():
        raise ValueError(f"the checkpoint and the output are both {output}; name two files")
    check_output(path, table)


@contextlib.contextmanager
def failed_to_write(path: Path) -> Iterator[None]:
    """Say which file could not be written when the disk refuses."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise ValueError(
            f"{path} cannot be written: {reason}; free the disk or choose another output"
        ) from None
