"""Checkpoint: a fit's file, from which a fit that was killed goes on as if nothing had happened.

A fit opens its checkpoint, asks where to go on, and writes it now and then::

    with Checkpoint("run.ckpt") as checkpoint:
        seed = checkpoint.notes.setdefault("seed", drawn())      # whatever else must be known again
        saved = checkpoint.resume(start, identity(loop, inputs, options), epochs)
        if not saved.finished:
            ...                                                   # train from saved.state
            checkpoint.write(state, history)                      # whenever it is due, and at the end
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from chainrule.files import locked, read_arrays, remove_leftovers, write_arrays
from chainrule.graph.loop import LoopState
from chainrule.graph.types import Array
from chainrule.graph.words import counted
from chainrule.training.data import as_count
from chainrule.training.fingerprint import Fingerprint, differences, fingerprint_of_model
from chainrule.training.history import History
from chainrule.training.stopping import with_best
from chainrule.version import __version__

_FORMAT = 3
_SHOWN = 3
#: Seconds from one write to the next, and how many times longer a fit runs than it writes.
SECONDS = 5.0
SHARE = 20

_log = logging.getLogger("chainrule")
T = TypeVar("T")


@dataclass(frozen=True)
class Saved:
    """Where a fit stands.

    Attributes
    ----------
    state : LoopState
        After its last whole step, possibly in mid-epoch; the best weights are carried, not yet put back.
    history : History
        The results of the epochs that it has ended.
    finished : bool
        Whether nothing is left to do.
    """

    state: LoopState
    history: History
    finished: bool = False


def opened(checkpoint: Any) -> AbstractContextManager[Checkpoint | None]:
    """Return the checkpoint that a user gave to a fit, to be entered: None, a path, or a Checkpoint."""
    if checkpoint is None:
        return nullcontext()
    return checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)


class Checkpoint:
    """The file of one fit: locked while the fit lasts, written whole or not at all.

    Parameters
    ----------
    path : str or path
        The file. Where there is none, it is made.

    Attributes
    ----------
    notes : dict
        What else the fit must know again, such as a seed that was drawn, as far as JSON can hold it: what the
        file held, and what is written with the next state. Those of a callback may be of one epoch less than
        the history, where Ctrl-C came before it had seen the last.

    Raises
    ------
    TypeError
        If the path is none.
    ValueError
        On entering the context, if another fit is using the file, it is no checkpoint, or it is damaged.
    OSError
        If the file cannot be read, or its folder cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> start, options = LoopState({"weight": np.zeros(2)}), {"options": {"batch_size": 2}}
    >>> with Checkpoint("run.ckpt") as checkpoint:
    ...     saved = checkpoint.resume(start, options, epochs=3)
    ...     checkpoint.notes["seed"] = 7
    ...     checkpoint.write(replace(start, step=1, position=2), saved.history)
    >>> with Checkpoint("run.ckpt") as checkpoint:
    ...     saved = checkpoint.resume(start, options, epochs=3)
    ...     print(saved.state.position, checkpoint.notes)
    2 {'seed': 7}
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"checkpoint is the path of a file, such as 'run.ckpt', not {path!r}")
        self.path = Path(path)
        self.notes: dict[str, Any] = {}
        self._due = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._place = Path(os.path.realpath(self.path))  # wherever a callback may go
            stack.enter_context(locked(self.path))
            remove_leftovers(self._place)
            self._arrays, self._header = self._read()
            self.notes = {}
            if not self.is_new:
                with self._intact():
                    self.notes = self._entry("notes")
            self._lock = stack.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._lock.close()

    @property
    def is_new(self) -> bool:
        """Whether nothing has been written yet."""
        return not self._header

    @property
    def is_due(self) -> bool:
        """Whether it is time to write: a few seconds after the last time, and later where that took long."""
        return time.monotonic() >= self._due

    def note(self, name: str, read: Callable[[Any], T]) -> T | None:
        """Return what `read` makes of a note, or None where there is none; nonsense says damaged."""
        if name not in self.notes:
            return None
        with self._intact():
            return read(self.notes[name])

    # Reading -------------------------------------------------------------------------------------------

    def resume(
        self,
        start: LoopState,
        identity: Mapping[str, Fingerprint],
        epochs: int,
        own: Iterable[str] | None = None,
        option: str = "epochs",
    ) -> Saved:
        """Return where to go on: at the start, or where the file says, if it is of this very fit.

        Parameters
        ----------
        start : LoopState
            Where the fit starts, or where an earlier part of this fit has left the model.
        identity : mapping of fingerprints
            What the fit's results depend on, in groups: `fingerprint.identity`.
        epochs : int
            How many the fit is to have, those included that the file has. More than it was to have before
            train it further.
        own : iterable of str, optional
            The carried arrays that the model brings along, which must be those that the fit began with, or
            those that it has left: all of them, unless the fit carries more for itself; none, where it draws
            them anew.
        option : str, default "epochs"
            What a user knows the number of epochs by.

        Raises
        ------
        ValueError
            If the file is of a fit with other data, options or first weights, naming what differs, or by
            another version of chainrule; if it has more epochs already; or if it is damaged.
        """
        names = list(start.carried if own is None else own)
        model = fingerprint_of_model(start, names)
        self._identity = {"model": model, **identity}
        if self.is_new:
            return Saved(start, History())
        self._check_program()
        with self._intact():
            before: dict[str, Fingerprint] = {name: self._entry(name) for name in self._identity}
        for group, now in identity.items():
            self.refuse(differences(before[group], now))
        with self._intact():
            saved = self._saved(start, before["model"]["epochs"], epochs)
        if model not in (before["model"], *_left_by(saved.state, names)):
            self.refuse(["the model is not as it was when that fit began, nor as it left it"])
        begun = saved.history.epochs + (saved.state.position > 0)
        if begun > epochs:
            self.refuse([f"it has begun {begun} epochs, and {option} is {epochs}"])
        self._identity = before
        self._tell(saved)
        return saved

    def _read(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return the arrays and the description in the file; nothing, where there is no file."""
        if not self._place.exists():
            return {}, {}
        with self._intact():
            arrays, header = read_arrays(self._place)
            version = header["checkpoint"]
        if version != _FORMAT:
            self._refuse_version(f"format {version!r}")
        return arrays, header

    def _refuse_version(self, which: str) -> None:
        raise ValueError(
            f"the checkpoint {str(self.path)!r} was written by another version of chainrule ({which}); "
            "go on with that version, or name another file"
        )

    def _check_program(self) -> None:
        """Refuse another version, which may compute something else, and warn of another kind of CPU."""
        with self._intact():
            before = self._entry("program")
        now = _program()
        if before.get("version") != now["version"]:
            self._refuse_version(str(before.get("version")))
        if before != now:
            _log.warning(
                "%s: the fit was begun on another kind of CPU (%s); it goes on here, and its last digits may "
                "differ from those that it would have had there",
                self.path,
                before.get("cpu"),
            )

    def _entry(self, name: str) -> dict[str, Any]:
        """Return one of the objects that the file's description is made of."""
        entry = self._header[name]
        if not isinstance(entry, dict):
            raise TypeError(f"{name} is no object")
        return entry

    def _saved(self, start: LoopState, first: int, epochs: int) -> Saved:
        """Return where the file's fit stands; an error of any kind says that it is damaged."""
        entry = self._entry("state")
        step, epoch, position = (
            as_count(entry[name], name, least=0) for name in ("step", "epoch", "position")
        )
        history = _history(self._header)
        carried = {name: self._arrays[name] for name in start.carried}
        types = [(array.shape, array.dtype) for array in carried.values()]
        if types != [(array.shape, array.dtype) for array in start.carried.values()]:
            raise ValueError("the arrays are not of these types")
        if {history.epochs, *map(len, history.values())} != {epoch - first}:
            raise ValueError("the history is not of these epochs")
        sums = float(entry["loss"]), float(entry["weight"])
        stopped = entry["stopped"]
        if not isinstance(stopped, bool):
            raise TypeError("stopped is true or false")
        state = LoopState(carried, step, epoch, position, *sums, stopped)
        return Saved(state, history, stopped or (history.epochs >= epochs and not position))

    def _tell(self, saved: Saved) -> None:
        epochs = counted(saved.history.epochs, "epoch")
        if saved.finished:
            _log.warning("%s: the fit was finished after %s; it is restored, not trained", self.path, epochs)
        else:
            _log.info("%s: the fit goes on after %s", self.path, epochs)

    def refuse(self, found: Sequence[str]) -> None:
        """Raise a ValueError with the first things that differ from the file's fit, if any do."""
        if found:
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise ValueError(
                f"the checkpoint {str(self.path)!r} is of another fit: {'; '.join(found[:_SHOWN])}{more}; "
                "fit as it was begun, or name another file"
            )

    @contextmanager
    def _intact(self) -> Iterator[None]:
        """Say that the file is damaged if what is read from it makes no sense."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
            raise ValueError(
                f"{str(self.path)!r} is not a checkpoint of chainrule, or it is damaged; "
                "remove it to start anew, or name another file"
            ) from None

    # Writing -------------------------------------------------------------------------------------------

    def write(self, state: LoopState, history: History) -> None:
        """Write where the fit stands, whole or not at all; `resume` has told which fit it is."""
        began = time.monotonic()
        counters = ("step", "epoch", "position", "loss", "weight", "stopped")
        header = {
            "checkpoint": _FORMAT,
            "program": _program(),
            **self._identity,
            "state": {name: getattr(state, name) for name in counters},
            "history": history,
            "recorded": history.recorded,
            "notes": self.notes,
        }
        try:
            write_arrays(self._place, state.carried, header)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror or error}; the fit ends here, and goes on from its last checkpoint, "
                "if there is one, when it is started again",
                str(self.path),
            ) from None
        ended = time.monotonic()
        self._due = ended + max(SECONDS, SHARE * (ended - began))


def history_in(path: str | os.PathLike[str]) -> History | None:
    """Return the history in a checkpoint, also of a fit that goes on; None where it is no checkpoint."""
    try:
        _, header = read_arrays(path)
    except ValueError:
        return None
    if "checkpoint" not in header:
        return None
    return _history(header)


def _history(header: Mapping[str, Any]) -> History:
    return History.from_json({"results": header.get("history"), "recorded": header.get("recorded")})


def _program() -> dict[str, str]:
    """Return what the last bits of a fit depend on besides its data and options."""
    from chainrule.compiler.llvm import host  # a fit without a checkpoint does not ask

    cpu, features = host()
    return {"version": __version__, "cpu": cpu, "features": features}


def _left_by(state: LoopState, own: Iterable[str]) -> Iterator[Fingerprint]:
    """Return how a fit that stands here may have left its model: interrupted, or at its end."""
    for carried in (state.carried, with_best(state.carried)):
        yield fingerprint_of_model(replace(state, carried=carried), own)
