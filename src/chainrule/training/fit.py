"""A fit: the loop is put together, run, and looked at after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from chainrule.graph.evaluate import Evaluator
from chainrule.graph.loop import (
    Loop,
    LoopState,
    NotFiniteError,
    Prepare,
    Run,
    Stage,
    check_finite,
    run_stage,
)
from chainrule.graph.names import unknown_name
from chainrule.graph.types import Array, ArrayType
from chainrule.training.callbacks import Callback, Progress
from chainrule.training.failure import first_not_finite
from chainrule.training.history import History
from chainrule.training.stopping import EarlyStopping, with_best
from chainrule.training.trainer import Trainer


def with_early_stopping(
    loop: Loop, state: LoopState, stopping: EarlyStopping | None, kept: Mapping[str, Array]
) -> tuple[Loop, LoopState]:
    """Return the loop and its state with early stopping as its end of an epoch.

    Parameters
    ----------
    loop, state : Loop, LoopState
        Without early stopping.
    stopping : EarlyStopping or None
        What decides; None changes nothing.
    kept : mapping of arrays
        Those that make up the best weights.
    """
    if stopping is None:
        return loop, state
    measured = ["loss"]
    if loop.validation is not None:
        measured += [f"validation_{name}" for name in loop.validation.outputs if name != "weight"]
    if stopping.monitor not in measured:
        more = "" if loop.validation is not None else "; validation_data= gives more"
        raise ValueError(f"EarlyStopping: {unknown_name('result', stopping.monitor, measured)}{more}")
    types = {name: ArrayType(array.shape, array.dtype) for name, array in kept.items()}
    carried = {**state.carried, **stopping.initial(kept)}
    return replace(loop, epoch_end=stopping.stage(types)), LoopState(carried, state.step, state.epoch)


def run_epochs(
    run: Run,
    step: Stage,
    progress: Progress,
    callbacks: Sequence[Callback],
    keep: Callable[[LoopState], None],
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

    Raises
    ------
    ValueError
        If a loss or a weight becomes NaN or infinite: in which step, and which layer's value was the first.
    """
    history = History()
    started: list[Callback] = []
    try:
        for callback in callbacks:
            started.append(callback)
            callback.on_start(progress)
        for results in run:
            history.append(results)
            if callbacks:
                keep(run.state)
            progress.epoch, progress.logs = progress.epoch + 1, results
            for callback in callbacks:
                callback.on_epoch(progress)
            if progress.stopped:
                run.state = replace(run.state, carried=with_best(run.state.carried))
                break
    except NotFiniteError as failure:
        raise ValueError(not_finite(failure, step, run.state)) from None
    finally:
        keep(run.state)
        for callback in started:
            callback.on_end(progress)
    return history


def not_finite(failure: NotFiniteError, step: Stage, state: LoopState) -> str:
    """Return what became NaN or infinite, in which step, and where that began."""
    what = "the loss" if failure.name == "batch_loss" else failure.name
    return (
        f"{what} became {failure.number} in step {state.step + 1} (epoch {state.epoch + 1}): "
        f"{first_not_finite(step.graph, failure.arrays)} "
        "(the model has kept the weights from before this step)"
    )


def single_step(
    trainer: Trainer, stage: Stage, arrays: Mapping[str, Array], prepare: Prepare = Evaluator
) -> float:
    """Update a trainer's arrays once and return the loss before it."""
    results = run_stage(stage, arrays, prepare)
    run = trainer.run
    try:
        check_finite(results, arrays)
    except NotFiniteError as failure:
        raise ValueError(not_finite(failure, stage, run)) from None
    carried = {name: results.get(name, array) for name, array in run.carried.items()}
    trainer.run = LoopState(carried, run.step + 1, run.epoch)
    return float(results["batch_loss"])
