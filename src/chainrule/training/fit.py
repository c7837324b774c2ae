"""A fit: the loop is put together, run, and looked at after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chainrule.graph.loop import (
    Inputs,
    Loop,
    LoopState,
    NotFiniteError,
    Run,
    Stage,
)
from chainrule.graph.types import Array, ArrayType
from chainrule.training.callbacks import Callback, Progress
from chainrule.training.checkpoint import Checkpoint, Saved
from chainrule.training.failure import first_not_finite
from chainrule.training.history import History
from chainrule.training.recording import Recording
from chainrule.training.stepping import StartRun
from chainrule.training.stopping import EarlyStopping, check_monitor, with_best
from chainrule.training.task import DataTypes
from chainrule.training.trainer import Trainer
from chainrule.training.validation import ValidationWatch


def with_early_stopping(
    loop: Loop, state: LoopState, inputs: Inputs, stopping: EarlyStopping | None, kept: Mapping[str, Array]
) -> tuple[Loop, LoopState, Inputs]:
    """Return a run's parts with early stopping as its end of an epoch.

    Parameters
    ----------
    loop, state, inputs : Loop, LoopState, Inputs
        Without early stopping.
    stopping : EarlyStopping or None
        What decides; None changes nothing.
    kept : mapping of arrays
        Those that make up the best weights.
    """
    if stopping is None:
        return loop, state, inputs
    check_monitor(stopping, loop)
    types = {name: ArrayType(array.shape, array.dtype) for name, array in kept.items()}
    carried = {**state.carried, **stopping.initial(kept)}
    return (
        replace(loop, epoch_end=stopping.stage(types)),
        LoopState(carried, state.step, state.epoch),
        replace(inputs, arguments={**inputs.arguments, **stopping.arguments()}),
    )


def fit_from(
    saved: Saved,
    make_run: Callable[[Loop, LoopState, Inputs], Run],
    loop: Loop,
    inputs: Inputs,
    *,
    progress: Progress,
    callbacks: Sequence[Callback],
    keep: Callable[[LoopState], None],
    checkpoint: Checkpoint | None,
) -> History:
    """Run a loop from where a fit stands to its end; where that is its end, only `keep` is called.

    Parameters
    ----------
    saved : Saved
        Where the fit stands: at its start, or where its checkpoint says.
    make_run : callable
        What runs the loop.
    loop, inputs : Loop, Inputs
        What to do on what; the epochs are all, with those that are done.
    progress, callbacks, keep, checkpoint
        As for `run_epochs`.
    """
    if saved.finished:
        keep(_with_best(saved.state))
        return saved.history
    progress.epoch = saved.history.epochs
    progress.batch_size, progress.shuffle = inputs.batch_size, loop.shuffle
    run = make_run(loop, saved.state, replace(inputs, epochs=inputs.epochs - progress.epoch))
    watch = ValidationWatch(loop, inputs)
    return run_epochs(
        run, loop.step, progress, callbacks, keep, watch=watch, checkpoint=checkpoint, past=saved.history
    )


def run_epochs(
    run: Run,
    step: Stage,
    progress: Progress,
    callbacks: Sequence[Callback],
    keep: Callable[[LoopState], None],
    *,
    watch: ValidationWatch,
    checkpoint: Checkpoint | None = None,
    past: History | None = None,
) -> History:
    """Run a loop to its end and return what was measured.

    Parameters
    ----------
    run : Run
        The loop, ready to run.
    step : Stage
        Its step, to be replayed where it fails.
    progress : Progress
        What callbacks see.
    callbacks : sequence of Callback
        Called before, after each epoch, and at the end.
    keep : callable
        Is given the state after each epoch that callbacks look at and, however the run ends, after its last
        whole step.
    watch : ValidationWatch
        Sees each epoch's results, and warns at the end of a fit that has not failed.
    checkpoint : Checkpoint, optional
        Is written before the first step, whenever it is due, and however the run ends.
    past : History, optional
        What was measured before the run goes on.

    Raises
    ------
    ValueError
        If a loss or a weight becomes NaN or infinite: in which step, and which layer's value was the first.
    OSError
        If the checkpoint cannot be written.
    """
    recorded = any(callback.records for callback in callbacks)
    account = _Account(run, progress, checkpoint, past or History(), recorded)
    ended, started = False, list[Callback]()
    try:
        run.look, run.ahead = account.look, not callbacks
        account.look()
        progress.steps = run.state.step if callbacks else 0
        for callback in callbacks:
            started.append(callback)
            callback.on_start(progress)
        for results in run:
            if callbacks:
                progress.history.append(results)
                state = run.state
                progress.steps = state.step
                keep(state)
                account.record()
            progress.epoch, progress.logs = progress.epoch + 1, results
            watch.see(results, progress.epoch, run)
            for callback in callbacks:
                callback.on_epoch(progress)
            if progress.stopped or progress.paused:
                break
        ended = True
    except (KeyboardInterrupt, NotFiniteError) as error:
        raise _told(error, step, run, progress, watch) from None
    finally:
        run.look = lambda: None  # a run holds its data, and goes at once if nothing that it holds holds it
        keep(_with_best(run.state) if ended else run.state)
        try:
            account.save()
        finally:
            for callback in started:
                callback.on_end(progress)
    watch.warn()
    return account.history()


def _told(
    error: KeyboardInterrupt | NotFiniteError,
    step: Stage,
    run: Run,
    progress: Progress,
    watch: ValidationWatch,
) -> BaseException:
    """Return what to raise: a step's failure in words; an interrupt as it is, after a warning of the watch.

    Where warnings are errors, it is a note on the interrupt, which goes on.
    """
    if isinstance(error, NotFiniteError):
        progress.failure = not_finite(error, step, run.state)
        return ValueError(progress.failure)
    try:
        watch.warn()
    except RuntimeWarning as warning:
        error.add_note(str(warning))
    return error


class _Account:
    """What a fit has measured, before an interruption too, and the checkpoint that it is written to."""

    def __init__(
        self, run: Run, progress: Progress, checkpoint: Checkpoint | None, past: History, recorded: bool
    ) -> None:
        self._run, self._progress, self._checkpoint, self._past = run, progress, checkpoint, past
        self._first = run.state.epoch if checkpoint is not None else 0
        progress.history = past.followed_by(())
        self._recording = Recording(progress.history, run.state) if recorded else None

    def history(self, epochs: int | None = None) -> History:
        """Return the results of so many epochs of the run, or of all, after the past ones."""
        found = self._past.followed_by(self._run.results[:epochs])
        found.recorded = self._progress.history.recorded
        return found

    def record(self) -> None:
        """Enter what the epoch that has just ended has recorded."""
        if self._recording is not None:
            self._recording.enter(self._run.state)

    def save(self) -> None:
        """Write the checkpoint, if there is one; an epoch may have ended that nobody has looked at yet."""
        if self._checkpoint is not None:
            self.record()
            state = self._run.state
            state = replace(state, stopped=state.stopped or self._progress.stopped)
            self._checkpoint.write(state, self.history(state.epoch - self._first))

    def look(self) -> None:
        """Write the checkpoint if it is due."""
        if self._checkpoint is not None and self._checkpoint.is_due:
            self.save()


def _with_best(state: LoopState) -> LoopState:
    return replace(state, carried=with_best(state.carried))


def not_finite(failure: NotFiniteError, step: Stage, state: LoopState) -> str:
    """Return what became NaN or infinite, where that began, and what has become of the model."""
    found = traced_failure(failure, step, state)
    return f"{found} (the model has kept the weights from before this step)"


def traced_failure(failure: NotFiniteError, step: Stage, state: LoopState) -> str:
    """Return what became NaN or infinite, in which step, and where that began."""
    what = "the loss" if failure.name == "batch_loss" else failure.name
    return (
        f"{what} became {failure.number} in step {state.step + 1} (epoch {state.epoch + 1}): "
        f"{first_not_finite(step.graph, failure.arrays, failure.rows)}"
    )


def single_step(trainer: Trainer, data: dict[str, Array], start: StartRun, n_threads: int | None) -> float:
    """Update a trainer's arrays once and return the loss before it."""
    try:
        return trainer.step(data, start, n_threads)
    except NotFiniteError as failure:
        stage = trainer.stage("step", DataTypes.of(data))
        raise ValueError(not_finite(failure, stage, trainer.loop_state)) from None
