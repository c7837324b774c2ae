"""A file is written whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import stat
from pathlib import Path

from chainrule.files.errors import DeviceError, FolderError, MissingFileError

#: How many random bytes make the name of a file that is being written, as twice as many hexadecimal digits.
_TOKEN = 8


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it holds either what it held before or all of `content`.

    The bytes go to a new file beside it, which takes its place, and its permissions, once the disk has them.
    Where `path` is a link, the file that it leads to is written.

    Parameters
    ----------
    path : str or path
        Where to; its folder is there already.
    content : bytes
        All that the file is to hold.

    Raises
    ------
    TypeError
        If `path` is no path.
    OSError
        If the folder is missing or cannot be written, `path` is a folder or a device, or the disk is full;
        `path` is then untouched. Where no file can stand there at all, it is a ValueError as well.

    Examples
    --------
    >>> write_atomically("note.txt", b"whole")
    >>> Path("note.txt").read_text()
    'whole'
    """
    require_path(path)
    target = check_place(path)
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(_TOKEN)}")
    try:
        with open(fresh, "xb") as file:
            if target.exists():
                os.chmod(fresh, stat.S_IMODE(target.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None  # names the file that was meant
    finally:
        with contextlib.suppress(OSError):
            os.unlink(fresh)


def require_path(path: object) -> None:
    """Raise a TypeError unless it names a file."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"a file is named by a text or a pathlib.Path, not {path!r}")


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what a process that was killed while it wrote this file has left; nobody may be writing it."""
    target = Path(os.path.realpath(path))
    for left in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * (2 * _TOKEN)}"):
        with contextlib.suppress(OSError):
            left.unlink()


def check_place(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to; an OSError says that there can be none, or that it is no file."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise MissingFileError(
            f"the folder of {os.fspath(path)!r} does not exist; make it, or name another file"
        )
    if target.is_dir():
        raise FolderError(f"{os.fspath(path)!r} is a folder; name a file")
    if target.exists() and not target.is_file():
        raise DeviceError(f"{os.fspath(path)!r} is a device; name a file")
    return target
