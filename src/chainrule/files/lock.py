"""One process at a time: a lock on a path, which dies with the process that holds it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from chainrule.files.atomic import check_place
from chainrule.files.errors import LockedError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


#: The lock files that this process holds open.
_held: set[int] = set()


def _leave() -> None:
    """Let the process that was forked off here have no part in its parent's locks, which die with that."""
    for file in _held:
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of a path for as long as the context lasts.

    The operating system holds it on the file ``path.lock`` and gives it up when the process ends, in whatever
    way: a lock file that a killed process has left hinders nobody, and neither do processes that it has
    forked off. Two names of one file are one lock.

    Raises
    ------
    LockedError
        If it is held already, by another process or by this one. It is a ValueError as well.
    OSError
        If no file can stand at the path, or none can be made beside it.

    Examples
    --------
    >>> with locked("run.ckpt"):
    ...     print(Path("run.ckpt.lock").exists())
    True
    >>> Path("run.ckpt.lock").exists()
    False
    """
    target = check_place(path)
    place = target.with_name(f"{target.name}.lock")
    try:
        file = _acquired(place)
    except LockedError:
        raise LockedError(
            f"{os.fspath(path)!r} is in use by {_owner(place)}; wait for it to end, or name another file"
        ) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    _held.add(file)
    try:
        yield
    finally:
        if file in _held:
            with contextlib.suppress(OSError):  # Windows keeps the name of an open file
                os.unlink(place)  # while it is held, so that nobody waits on a file that is gone
            _held.remove(file)
            os.close(file)


def _acquired(place: Path) -> int:
    """Return the open lock file, held; who held it until now may have removed the one that was opened."""
    while True:
        file = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), os.stat(place)):
                _sign(file, place)
                return file
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(file)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise LockedError(str(place)) from None
            raise
        os.close(file)


def _sign(file: int, place: Path) -> None:
    """Write who holds a lock file; without room for that it is removed, while it is held."""
    try:
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
    except OSError:
        with contextlib.suppress(OSError):  # Windows keeps the name of an open file
            os.unlink(place)
        raise


def _owner(place: Path) -> str:
    """Return who holds a lock, as the lock file tells."""
    try:
        number = int(place.read_text())
    except (OSError, ValueError):
        return "another process"
    return "this process" if number == os.getpid() else f"process {number}"
