"""What may look on while a network is trained, and stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

from chainrule.graph.names import checked_options
from chainrule.graph.sparse import Table
from chainrule.training.history import History


@dataclass
class Progress:
    """Where a fit stands, as a callback sees it after each epoch.

    Attributes
    ----------
    epoch : int
        Epochs finished in this fit, with those before it went on from a checkpoint.
    epochs : int
        Epochs asked for.
    steps : int
        Weight updates that the weights have had, with those of earlier fits.
    logs : dict of float
        The results of the last epoch: ``loss``, ``validation_loss``, ...
    model : Model
        The model, with the weights of this moment.
    history : History
        The results of all epochs of this fit so far, and what was recorded.
    data : dict of ndarray
        What is trained on, as the network takes it: ``x``, ``y``, ``sample_weight``. Not to be changed.
    batch_size : int
        Rows in a step.
    shuffle : bool
        Whether the rows are visited in a new order in each epoch.
    failure : str
        What the fit's error says, at the end of one that fails as numbers become NaN or infinite.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> def look(progress):
    ...     print(progress.epoch, "of", progress.epochs, sorted(progress.logs))
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=[look])
    1 of 2 ['loss']
    2 of 2 ['loss']
    """

    epochs: int
    model: Any
    epoch: int = 0
    steps: int = 0
    logs: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    data: Mapping[str, Table] = field(default_factory=dict)
    batch_size: int = 0
    shuffle: bool = True
    stopped: bool = False
    paused: bool = False
    failure: str = ""

    def stop(self) -> None:
        """End the fit after this epoch: it is finished."""
        self.stopped = True

    def pause(self) -> None:
        """End the fit after this epoch; started again with its checkpoint, it goes on."""
        self.paused = True


class Callback:
    """Something that looks on: override what is needed. A plain function of Progress is a callback too.

    Until the fit has ended, ``fit``, ``step`` and ``set_weights`` of its model raise a RuntimeError, as the
    fit would overwrite what they do.

    Attributes
    ----------
    records : bool, default False
        Whether the fit records gradient norms and update ratios for it, in ``progress.history.recorded``.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> def enough(progress):
    ...     if progress.logs["loss"] < 1.0:
    ...         progress.stop()
    >>> model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=100, callbacks=[enough]).epochs
    1
    """

    records: ClassVar[bool] = False
    #: What belongs to a running fit, such as an open file, and is no part of a copy or a pickle.
    _running: ClassVar[Sequence[str]] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in self._running}

    def on_start(self, progress: Progress) -> None:
        """Look on before the first epoch."""

    def on_epoch(self, progress: Progress) -> None:
        """Look on after each epoch."""

    def on_end(self, progress: Progress) -> None:
        """Look on after the last epoch, also when the fit was interrupted or failed."""


class _Function(Callback):
    def __init__(self, function: Callable[[Progress], object]) -> None:
        self._function = function

    def on_epoch(self, progress: Progress) -> None:
        self._function(progress)


def as_callbacks(callbacks: Iterable[Callback | Callable[[Progress], object]]) -> list[Callback]:
    """Return the callbacks as objects; functions are called after each epoch."""
    result = []
    for callback in callbacks:
        if isinstance(callback, type):
            name = callback.__name__
            raise TypeError(f"callbacks holds the class {name}; give one of its kind, as {name}() makes")
        if not isinstance(callback, Callback) and not callable(callback):
            raise TypeError(f"a callback is a function of the progress or a cr.Callback, not {callback!r}")
        result.append(callback if isinstance(callback, Callback) else _Function(callback))
    return result


def split_callbacks(callbacks: Iterable[Any], *kinds: type) -> tuple[list[Any], list[Any]]:
    """Return the one callback of each of these kinds, or None, and the others."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks is a list of callbacks, not {callbacks!r}")
    given = list(callbacks)
    found: list[Any] = []
    for kind in kinds:
        of_kind = [one for one in given if isinstance(one, kind)]
        if len(of_kind) > 1:
            raise ValueError(f"a fit takes one {kind.__name__}")
        found.append(of_kind[0] if of_kind else None)
    return found, [one for one in given if not isinstance(one, kinds)]


class TimeLimit(Callback):
    """End a fit after the epoch in which its time is over.

    With a checkpoint, the same fit started again goes on, and has the same time again.

    Parameters
    ----------
    seconds : float
        The time, above 0, from the start of the fit.

    Raises
    ------
    ValueError
        If it is no such number.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=10**6, callbacks=[cr.TimeLimit(0.05)]).epochs < 10**6
    True
    """

    @checked_options
    def __init__(self, seconds: float) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, Real) or not seconds > 0:
            raise ValueError(f"TimeLimit: seconds is a number above 0, not {seconds!r}")
        self._seconds: float = float(seconds)

    def on_start(self, progress: Progress) -> None:
        """Look at the clock."""
        self._end = time.monotonic() + self._seconds

    def on_epoch(self, progress: Progress) -> None:
        """End the fit if its time is over."""
        if time.monotonic() >= self._end:
            progress.pause()


class Recorder(Callback):
    """Asks a fit to record the learning rate, and each layer's gradient norm and update ratio.

    They stand in the history that the fit returns, and `History.plot` draws them. A fit that nobody asks
    runs a step without them.

    Examples
    --------
    >>> import chainrule as cr
    >>> model = cr.Model(cr.Dense(1), loss="mean_squared_error", optimizer=cr.SGD(0.1))
    >>> history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, callbacks=[cr.Recorder()])
    >>> history.recorded["learning_rate"][""]
    [0.1, 0.1, 0.1]
    >>> [len(norms) for norms in history.recorded["gradient_norm"].values()]
    [3]
    """

    records = True
