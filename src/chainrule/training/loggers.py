"""Callbacks that write down how a fit goes: a CSV file, Python's logging, TensorBoard."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from chainrule.files import check_place
from chainrule.graph.names import checked_options
from chainrule.training.callbacks import Callback, Progress
from chainrule.training.data import as_count


class CSVLogger(Callback):
    """Write the results of each epoch into a CSV file, one line an epoch, each as soon as it is known.

    A new fit begins the file anew. One that goes on from a checkpoint keeps the lines of the epochs that it
    has, so that each epoch is there once.

    Parameters
    ----------
    path : str or path
        The file: ``epoch`` and the names of the results in its first line, then numbers in full precision.

    Raises
    ------
    OSError
        When a fit begins, if the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, callbacks=[cr.CSVLogger("run.csv")])
    >>> [line.split(",")[0] for line in Path("run.csv").read_text().splitlines()]
    ['epoch', '1', '2', '3']
    """

    _running = ("_file", "_writer")

    @checked_options
    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_start(self, progress: Progress) -> None:
        """Begin the file, with the lines of epochs before this start."""
        with _naming(self.path):
            check_place(self.path)
            self._rows = self._rows_until(progress.epoch)
            self._file: IO[str] = self.path.open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._file, lineterminator="\n")
            self._write(self._rows)

    def _rows_until(self, epoch: int) -> list[list[str]]:
        """Return the header and the lines of these epochs in the file that is there."""
        if not epoch or not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
        kept = [row for row in rows if row[0].isdecimal() and int(row[0]) <= epoch]
        return [header, *kept] if header[:1] == ["epoch"] else []

    def on_epoch(self, progress: Progress) -> None:
        """Write a line."""
        header = [] if self._rows else [["epoch", *progress.logs]]
        self._rows = self._rows or header
        with _naming(self.path):
            self._write([*header, [progress.epoch, *progress.logs.values()]])

    def _write(self, rows: Iterable[Iterable[object]]) -> None:
        self._writer.writerows(rows)
        self._file.flush()

    def on_end(self, progress: Progress) -> None:
        """Close the file."""
        if hasattr(self, "_file"):
            with _naming(self.path):
                self._file.close()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error name the file: what comes of writing, as from a full disk, does not."""
    try:
        yield
    except OSError as problem:
        if problem.strerror and problem.filename is None:
            problem.filename = str(path)
        raise


class EpochLogger(Callback):
    """Tell Python's `logging` the results of an epoch, as in ``epoch 3 of 10: loss 0.1234``.

    Parameters
    ----------
    logger : str or logging.Logger, default "chainrule"
        Who is told.
    level : int, default logging.INFO
        How important that is.
    every : int, default 1
        One epoch in so many is told, and the last.

    Examples
    --------
    >>> import logging, sys
    >>> import chainrule as cr
    >>> logging.getLogger("mine").addHandler(logging.StreamHandler(sys.stdout))
    >>> model = cr.Model(cr.Dense(1), loss=lambda p, y: 0 * p[:, 0], optimizer=cr.SGD(0.1))
    >>> log = cr.EpochLogger("mine", level=logging.WARNING, every=2)
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, callbacks=[log])
    epoch 2 of 3: loss 0
    epoch 3 of 3: loss 0
    """

    @checked_options
    def __init__(
        self,
        logger: str | logging.Logger | logging.LoggerAdapter[Any] = "chainrule",
        *,
        level: int = logging.INFO,
        every: int = 1,
    ) -> None:
        if not isinstance(logger, str | logging.Logger | logging.LoggerAdapter):
            raise TypeError(f"EpochLogger: logger is a name or a logger of Python's logging, not {logger!r}")
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level = as_count(level, "level", least=0)
        self._every = as_count(every, "every")

    def on_epoch(self, progress: Progress) -> None:
        """Tell the results."""
        if progress.epoch % self._every and progress.epoch < progress.epochs:
            return
        results = ", ".join(
            f"{name.replace('_', ' ')} {number:.4g}" for name, number in progress.logs.items()
        )
        self._logger.log(self._level, "epoch %d of %d: %s", progress.epoch, progress.epochs, results)


class TensorBoard(Callback):
    """Write the results of each epoch as scalars that TensorBoard shows.

    It needs the package tensorboard: ``pip install 'chainrule[tensorboard]'``.

    Parameters
    ----------
    folder : str or path
        Where the event files go; each start of a fit writes one of its own.

    Raises
    ------
    ImportError
        When a fit begins, if tensorboard is not installed.

    Examples
    --------
    >>> import chainrule as cr
    >>> board = cr.TensorBoard("runs/first")
    """

    _running = ("_writer",)
    _writer: Any = None

    @checked_options
    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def on_start(self, progress: Progress) -> None:
        """Open an event file."""
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise ImportError(
                "the TensorBoard callback needs the package tensorboard; "
                "install it with pip install 'chainrule[tensorboard]'"
            ) from None
        self._writer = Writer(str(self.folder))

    def on_epoch(self, progress: Progress) -> None:
        """Write the results; they can be seen at once."""
        for name, number in progress.logs.items():
            self._writer.add_scalar(name, number, progress.epoch)
        self._writer.flush()

    def on_end(self, progress: Progress) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
