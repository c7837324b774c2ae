"""Object code outlives the process: a folder of files, each checked before it is believed.

The files are executed, so a doubtful one counts as absent: what is compiled again is at worst late.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"chainrule object 1\n"  # the number is this format's; a compiler's version belongs into the key
HEADER = len(MAGIC) + hashlib.sha256().digest_size
SUFFIX = ".chainrule-object"
UNFINISHED = ".chainrule-unfinished"
ABANDONED = 3600.0  # seconds after which the writer of an unfinished file is taken for dead
TOGETHER = 16  # a folder stays within its limit while so many processes fill it and seldom list it


def cache_key(*parts: str) -> str:
    """Return one name for everything that object code depends on: sha256 of the parts, each after its length.

    Parameters
    ----------
    *parts : str
        The graph's text, the CPU, versions, options: in an order that the caller keeps.

    Returns
    -------
    str
        64 hexadecimal digits; other parts, or the same characters split otherwise, have another key.

    Examples
    --------
    >>> cache_key("ab", "c") == cache_key("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(b"%d:" % len(content) + content)
    return digest.hexdigest()


class ObjectCache:
    """Object code by key, in a folder that any number of processes share.

    A file is ``MAGIC · sha256(key, data) · data``. No trouble with the disk is an error: what cannot be read
    is absent, and what cannot be written is compiled again next time. The checksum finds accidents, not
    malice: only those may write to the folder who may run code as you.

    Parameters
    ----------
    folder : Path, optional
        Where the files are; it is made when first written to. By default what the environment variable
        ``CHAINRULE_CACHE_DIR`` says (empty or ``off``: no cache), or else the user's cache folder.
    limit : int, default=256 * 2**20
        The most bytes that the folder is to hold; the least recently used files go first. Processes that
        write at once don't see each other's files at every write: each may add a 64th of it meanwhile.

    Examples
    --------
    >>> cache = ObjectCache(Path("objects"))
    >>> cache.put(cache_key("a graph", "a CPU"), b"code")
    >>> cache.get(cache_key("a graph", "a CPU"))
    b'code'
    """

    def __init__(self, folder: Path | None = None, limit: int = 256 * 2**20) -> None:
        self.folder = folder or _usual_folder()
        self.limit = limit
        self._until_listing = 0  # bytes that may be written before the folder has to be listed again

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, or None if there is nothing that can be trusted.

        Parameters
        ----------
        key : str
            From `cache_key`.

        Returns
        -------
        bytes or None
            The object code; a file that is truncated, corrupted or not ours is removed.
        """
        if self.folder is None:
            return None
        path = self.folder / (key + SUFFIX)
        try:
            if not path.is_file():  # a pipe would have us wait
                return None
            content = path.read_bytes()
        except OSError:
            return None
        data = content[HEADER:]
        if content[:HEADER] != _header(key, data):
            _remove(path)
            return None
        with contextlib.suppress(OSError):  # the folder may be readable only
            os.utime(path)  # used now; the disk's own access times are often switched off
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep object code under a key, whole or not at all, and the folder within its limit.

        Parameters
        ----------
        key : str
            From `cache_key`.
        data : bytes
            The object code; more than three quarters of the limit is not kept: it would drive out all else.
        """
        if self.folder is None or len(data) + HEADER > self._after_eviction:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self.folder / (key + SUFFIX), _header(key, data), data)
            self._until_listing -= HEADER + len(data)
            if self._until_listing < 0:
                self._evict()

    def _write(self, path: Path, header: bytes, data: bytes) -> None:
        unfinished = path.with_name(secrets.token_hex(16) + UNFINISHED)
        try:
            with open(unfinished, "xb") as file:  # no fsync: after a power cut the checksum tells
                file.write(header)
                file.write(data)
            os.replace(unfinished, path)
        finally:
            _remove(unfinished)

    @property
    def _after_eviction(self) -> int:
        """What a full folder is brought down to: enough below the limit that the next few files fit."""
        return self.limit * 3 // 4

    def _evict(self) -> None:
        """Remove what killed processes left and, above the limit, the files that were used longest ago."""
        finished = []
        for entry, status in self._files():
            if entry.name.endswith(SUFFIX):
                finished.append((status.st_mtime_ns, status.st_size, entry.path))
            elif time.time() - status.st_mtime > ABANDONED:
                _remove(Path(entry.path))
        total = sum(size for _, size, _ in finished)
        if total > self.limit:
            for _, size, path in sorted(finished):
                if total <= self._after_eviction:
                    break
                total -= size if _remove(Path(path)) else 0
        room = min(self.limit - total, self.limit - self._after_eviction)
        self._until_listing = room // TOGETHER

    def _files(self) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        """Yield our files; one may vanish at any time, by the eviction of another process."""
        assert self.folder is not None
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith((SUFFIX, UNFINISHED)):
                    with contextlib.suppress(OSError):
                        yield entry, entry.stat()


def _usual_folder() -> Path | None:
    chosen = os.environ.get("CHAINRULE_CACHE_DIR")
    if chosen is not None:  # where no shell has set it, "~" is still the user's home
        return None if chosen.casefold() in ("", "off") else Path(os.path.expanduser(chosen))
    from platformdirs import user_cache_path

    with contextlib.suppress(RuntimeError):  # a user without a home: newer versions raise,
        folder = user_cache_path("chainrule", appauthor=False)
        if folder.is_absolute():  # older ones would make a folder named "~" where we stand
            return folder
    return None


def _header(key: str, data: bytes) -> bytes:
    """Return what stands before data; the key is in it, so that a file under another's name is foreign."""
    digest = hashlib.sha256(f"{len(key)}:{key}".encode())
    digest.update(data)
    return MAGIC + digest.digest()


def _remove(path: Path) -> bool:
    """Whether a file is gone, by us or by another process."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
