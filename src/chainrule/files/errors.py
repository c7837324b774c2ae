"""What is wrong with a place for a file: an OSError, and like all bad input a ValueError too."""

from __future__ import annotations

import errno
from typing import ClassVar


class _PlaceError(OSError, ValueError):
    """An error whose text is the sentence that it was given."""

    number: ClassVar[int]

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = self.number


class MissingFileError(_PlaceError, FileNotFoundError):
    """There is no such file, or no folder to write it into."""

    number = errno.ENOENT


class FolderError(_PlaceError, IsADirectoryError):
    """A folder stands where a file should."""

    number = errno.EISDIR


class DeviceError(_PlaceError):
    """A device stands where a file should."""

    number = errno.EINVAL


class LockedError(_PlaceError, BlockingIOError):
    """Somebody else is using a file."""

    number = errno.EAGAIN
