"""What is wrong with a place for a file: an OSError, and like all bad input a ValueError too."""

from __future__ import annotations

import errno


class MissingFileError(FileNotFoundError, ValueError):
    """There is no such file, or no folder to write it into; its text is the sentence that it was given."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = errno.ENOENT


class FolderError(IsADirectoryError, ValueError):
    """A folder stands where a file should; its text is the sentence that it was given."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = errno.EISDIR


class LockedError(BlockingIOError, ValueError):
    """Somebody else is using a file; its text is the sentence that it was given."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errno = errno.EAGAIN
