"""The doctor at the bedside: looks at a network while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

import numpy as np

from chainrule.diagnosis.by_heart import two_rows
from chainrule.diagnosis.data import alike_in_batches, features, target
from chainrule.diagnosis.flow import (
    EXPLODING,
    UNBLOCK,
    VANISHING,
    gradient_flow,
    judged_ratios,
    layer_sizes,
    update_ratios,
)
from chainrule.diagnosis.leaks import columns
from chainrule.diagnosis.patient import MOST_LOOKED_AT, MOST_TRAINED_ON, PATIENCE, Patient, chosen_rows
from chainrule.diagnosis.small_weights import small_weights
from chainrule.diagnosis.start import (
    is_learning,
    loss_of_ignorance,
    output_for_loss,
    slope_of_ignorance,
    start_loss,
)
from chainrule.diagnosis.thresholds import LIMITS
from chainrule.diagnosis.trials import (
    TOO_HIGH,
    TOO_LOW,
    falls_too_slowly,
    is_warming_up,
    late_loss,
    rate_of_failure,
    rate_too_high,
    slower_is_ahead,
    undiminished_ratios,
)
from chainrule.diagnosis.units import DEAD, FEW_STEPS, SATURATED, dropped_units, identical_units, silent_units
from chainrule.diagnosis.use_of_input import sees_input
from chainrule.diagnosis.vanishing import confirmed
from chainrule.diagnosis.verdict import Verdict
from chainrule.graph.types import Array
from chainrule.training.callbacks import Callback, Progress
from chainrule.training.history import History


class Doctor(Callback):
    """Looks at a network while it is trained, and tells what is wrong: verdicts by layer, with a remedy.

    It looks at the features (their scale, and columns that say the same or tell the target), at the scale of
    the target, at rows that are sorted by it and not shuffled, at the loss at the start, at the size of
    initial weights, and after epochs 1, 2, 4, 8, ... and the last: at gradients that vanish or explode, at
    dead and saturated units, at how far steps change the weights (about a thousandth is usual), and at the
    loss. A learning rate is called too high where smaller ones come clearly further on a copy; so it is where
    a fit ends as numbers become NaN or infinite. Where the loss, of rows held out if there are any, never
    comes far below that of a guess, copies tell whether two rows can be learnt by heart, and whether the
    input helps. What is wrong from the start is told without what comes of it. Each verdict is told once.

    Parameters
    ----------
    tell : callable or None, default print
        Is called with each verdict as it is found; None only keeps it in `verdicts`.

    Attributes
    ----------
    verdicts : list of Verdict
        What was found in the last fit.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> bias = cr.Constant(-20.0)  # no row gets over it
    >>> net = cr.Sequential([cr.Dense(8, activation="relu", bias_initializer=bias), cr.Dense(1)])
    >>> doctor = cr.Doctor(tell=lambda verdict: print(verdict.name, "in", verdict.where))
    >>> model = cr.Model(net, loss="mean_squared_error")
    >>> history = model.fit(x, x[:, 0] * x[:, 1], epochs=2, callbacks=[doctor])
    dead units in layers.0 (Dense)
    """

    records = True
    _running = ("_at_start", "_patient")

    def __init__(self, tell: Callable[[Verdict], object] | None = print) -> None:
        if tell is not None and not callable(tell):
            raise TypeError(f"Doctor: tell is a function of a verdict, or None, not {tell!r}")
        self._tell = tell
        self.verdicts: list[Verdict] = []
        self._steps_before = 0
        self._from_birth: list[Verdict] = []
        self._besides: list[Verdict] = []
        self._silent_from_birth: set[str] = set()
        self._vanished: list[Verdict] = []
        self._weights_before: dict[str, Array] = {}
        self._patient: Patient | None = None
        self._at_start: Patient | None = None

    def on_start(self, progress: Progress) -> None:
        """Forget the last patient, and see which layers of this one are silent before the first step."""
        self.verdicts = []
        self._steps_before = progress.steps
        few = _trained_on(progress)
        patient = Patient(progress.model._trainer, _looked_at(progress), names=few.names)
        self._patient, self._at_start = patient, few.copy()
        self._weights_before, self._vanished = patient.weights, []
        self._silent_from_birth = {verdict.where for verdict in silent_units(patient)}
        self._besides = list(columns(few))
        if not progress.shuffle and "y" in progress.data:
            self._besides += alike_in_batches(np.asarray(progress.data["y"]), progress.batch_size)
        self._from_birth = [*features(patient), *_unknown_target(few), *output_for_loss(few)]
        self._from_birth += [*identical_units(patient), *dropped_units(patient)]
        if not (self._from_birth or progress.steps):
            self._from_birth = list(start_loss(few))
        if not (self._from_birth or self._besides or self._silent_from_birth):
            self._from_birth = list(small_weights(few))

    def on_epoch(self, progress: Progress) -> None:
        """Look after epochs 1, 2, 4, 8, ..."""
        if progress.epoch & (progress.epoch - 1) == 0 and progress.epoch < progress.epochs:
            self._look(progress)

    def on_end(self, progress: Progress) -> None:
        """Look once more; where the fit failed, at what it began with."""
        at_start = self._at_start
        losses = progress.history["loss"] if progress.epoch else []
        if at_start and (progress.failure or not np.isfinite(losses[-1:]).all()):
            failed = rate_of_failure(at_start, progress.model._trainer.loop_state.step - self._steps_before)
            self._tell_of([*self._besides, *(self._from_birth or failed)])
        elif at_start and losses:
            self._look(progress, is_over=True)
            if not self.verdicts and _began_fast(progress.history) and slower_is_ahead(at_start):
                steps = progress.steps - self._steps_before
                self._tell_of(rate_too_high(at_start, steps, late_loss(progress.history)))
            if not self.verdicts and _has_learnt_little(at_start, progress.history):
                self._tell_of(_two_rows(at_start) or sees_input(at_start))
        self._patient = self._at_start = None

    def _look(self, progress: Progress, is_over: bool = False) -> None:
        known = {verdict.name for verdict in self.verdicts}
        assert self._patient is not None
        assert self._at_start is not None
        patient, steps = self._patient.now(), progress.steps - self._steps_before
        so_far = _SoFar(
            at_start=self._at_start,
            silent_from_birth=self._silent_from_birth,
            weights=self._weights_before,
            vanished=self._vanished,
            steps=steps,
            is_new=not self._steps_before,
            had_time=is_over or steps >= PATIENCE,
            is_slow=TOO_LOW in known,
            is_fast=TOO_HIGH in known,
            is_silent=bool(known & {DEAD, SATURATED}),
        )
        self._weights_before = patient.weights
        self._tell_of([*self._besides, *(self._from_birth or _findings(patient, progress, so_far))])

    def _tell_of(self, found: Iterable[Verdict]) -> None:
        """Tell each verdict that has not been told yet."""
        known = {verdict.name for verdict in self.verdicts}
        for verdict in found:
            if verdict.name not in known:
                known.add(verdict.name)
                self.verdicts.append(verdict)
                if self._tell is not None:
                    self._tell(verdict)


def _looked_at(progress: Progress) -> dict[str, Array]:
    return {name: array[:MOST_LOOKED_AT] for name, array in progress.data.items()}


def _trained_on(progress: Progress) -> Patient:
    """Return what trials are made with; an estimator has no executor and no seed to choose."""
    model = progress.model
    options = {name: getattr(model, name) for name in ("executor", "seed") if hasattr(model, name)}
    rows = chosen_rows(len(progress.data["x"]), MOST_TRAINED_ON, options.get("seed", 0))
    data = {name: array[rows] for name, array in progress.data.items()}  # of a sparse table only these
    names = model._trainer.feature_names or list(getattr(model, "feature_names_in_", ()))
    options |= {"n_threads": model.n_threads, "batch_size": progress.batch_size, "names": names}
    return Patient(model._trainer, data, **options)


def _unknown_target(patient: Patient) -> Iterator[Verdict]:
    """Look at the scale of the target where the network has not come to know it in an earlier fit."""
    if patient.trainer.loop_state.step:
        guess = loss_of_ignorance(patient)
        if guess is None or not patient.start_loss > LIMITS.start_loss * guess.loss:
            return
    yield from target(patient)


class _SoFar(NamedTuple):
    """What is known of a fit before a look at it.

    The weights are those of the last look; gradients that had vanished at a look are kept, the first of them
    first. The network is new where no earlier fit has trained it, and
    has had time where the fit is over, or long. It is slow, or fast, where the learning rate has been called
    too low, or too high; silent where units have been called dead, or saturated.
    """

    at_start: Patient
    silent_from_birth: Set[str]
    weights: Mapping[str, Array]
    vanished: list[Verdict]
    steps: int
    is_new: bool
    had_time: bool
    is_slow: bool
    is_fast: bool
    is_silent: bool


def _findings(patient: Patient, progress: Progress, so_far: _SoFar) -> Iterator[Verdict]:
    """Yield what is wrong at this moment, the likely cause first, and nothing that comes of it.

    Steps that are too long explain how gradients flow, and the loss. Silent units, and gradients that vanish
    or explode, explain that the weights change little, and that the loss stays.
    """
    history = progress.history
    silent = list(silent_units(patient, so_far.silent_from_birth))
    flows = _relative_gradients(patient, history)
    too_high = [] if so_far.is_fast else _too_fast(patient, history, silent, so_far)
    yield from too_high
    is_fast = so_far.is_fast or bool(too_high)
    fell_silent = any(verdict.where not in so_far.silent_from_birth for verdict in silent)
    if fell_silent and not is_fast:  # they may have, on the way to targets that are out of reach
        silent = _two_rows(so_far.at_start) or silent
    if so_far.is_silent and not silent:  # they wake in a few rows, for a while
        return
    causes = silent or ([] if is_fast else _flow(patient, flows, history["loss"][-1], so_far))
    yield from causes or []
    if causes == [] and not is_fast:
        yield from _too_little(patient, progress, flows[-1], so_far)


def _too_fast(patient: Patient, history: History, silent: Sequence[Verdict], so_far: _SoFar) -> list[Verdict]:
    """Find a rate that is too high where steps are rash, have silenced units, or the loss rises again."""
    if so_far.silent_from_birth:
        return []
    sizes, steps = layer_sizes(patient.weights), history.recorded["update_ratio"].items()
    ratios = judged_ratios({part: numbers[-1] for part, numbers in steps if part in sizes}, so_far.weights)
    settled = so_far.steps >= LIMITS.steps_to_settle
    if not (silent or _is_rash(patient, history, ratios) or (settled and _rises(history))):
        return []
    return list(rate_too_high(so_far.at_start, so_far.steps, late_loss(history)))


def _too_little(
    patient: Patient, progress: Progress, flow: Mapping[str, float], so_far: _SoFar
) -> Iterator[Verdict]:
    """Yield a rate that is too low, layers that hardly change, or that nothing is learnt."""
    history = progress.history
    ratios = {part: numbers[-1] for part, numbers in undiminished_ratios(history).items()}
    ratios = judged_ratios(ratios, so_far.weights)
    most = max(ratios.values(), default=0.0)
    falling, short = _falls(history), list[Verdict]()
    found = _too_slow(so_far.at_start, progress.steps, most) if so_far.is_new or not falling else []
    yield from found
    stays = not (falling or so_far.is_slow or found or _knew_something(so_far))
    if most > LIMITS.slow_update or stays:
        short = list(update_ratios(patient.trainer.task.network, ratios, flow))
    yield from short
    if so_far.steps >= LIMITS.steps_to_learn and stays and not short:
        yield Verdict(
            "nothing is learnt",
            "",
            f"in {len(history['loss'])} epochs the loss has come from {_course(history)}",
            "let model.diagnose(x, y) look for the cause",
        )


def _relative_gradients(patient: Patient, history: History) -> list[dict[str, float]]:
    """Return each layer's |gradient| / |weights| in the last two epochs, or the only one."""
    sizes, norms = layer_sizes(patient.weights), history.recorded["gradient_norm"]
    judged = [part for part in norms if sizes.get(part) and part not in patient.held]
    epochs = range(-min(2, len(history["loss"])), 0)
    return [{part: float(norms[part][epoch]) / sizes[part] for part in judged} for epoch in epochs]


def _flow(
    patient: Patient, flows: Sequence[Mapping[str, float]], loss: float, so_far: _SoFar
) -> list[Verdict] | None:
    """Find gradients that explode; or that vanish and are to blame, or None where time will tell.

    Gradients that exploded in one epoch, as from a first step that is too long, and are small again, are no
    fault. Those that vanished for a while may be: copies tell.
    """
    network, usual, at_start = patient.trainer.task.network, slope_of_ignorance(patient), so_far.at_start
    *before, found = [list(gradient_flow(network, flow, usual, patient.weights)) for flow in flows]
    if any(verdict.name == EXPLODING for verdict in found):
        if not before:
            return found if so_far.had_time else None
        return found if any(verdict.name == EXPLODING for verdict in before[0]) else []
    so_far.vanished.extend(found)
    if not so_far.vanished or is_learning(patient, loss):
        return []
    if found and found[0].remedy == UNBLOCK and so_far.steps >= FEW_STEPS:
        return found
    if not so_far.had_time:
        return None if found else []
    told = at_start.once(VANISHING, partial(confirmed, at_start, so_far.vanished[0]))
    return [] if told is None else [told]


def _falls(history: History) -> bool:
    """Whether the loss has become less at all, or there was no time for it."""
    losses = history["loss"]
    return len(losses) < LIMITS.patience or min(losses) < LIMITS.left_loss * losses[0] or not losses[0] > 0


def _knew_something(so_far: _SoFar) -> bool:
    """Whether the network was better than a guess before the fit: then all may be learnt that can be."""
    guess = loss_of_ignorance(so_far.at_start)
    if guess is None:
        return not so_far.is_new
    return so_far.at_start.start_loss < LIMITS.left_loss * guess.loss


def _two_rows(at_start: Patient) -> list[Verdict]:
    """Find a network that cannot learn two rows by heart, as before training; that is tried once."""
    return at_start.once("two rows by heart", lambda: list(two_rows(at_start)))


def _has_learnt_little(patient: Patient, history: History) -> bool:
    """Whether the loss, of rows held out if there are any, has not come far below that of a guess.

    Where that is not known, it has not come far below that at the start.
    """
    losses, guess = history.get("validation_loss") or history["loss"][-1:], loss_of_ignorance(patient)
    return not min(losses) < LIMITS.learnt * (guess.loss if guess else patient.trained_loss)


def _course(history: History) -> str:
    return f"{history['loss'][0]:.4g} to {history['loss'][-1]:.4g}"


def _is_rash(patient: Patient, history: History, ratios: Mapping[str, float]) -> bool:
    """Whether steps are very long, or long and the loss is worse than a guess."""
    most = max(ratios.values(), default=0.0)
    if not LIMITS.rash_update < most <= LIMITS.largest_update:
        return most > LIMITS.largest_update
    guess = loss_of_ignorance(patient)
    return guess is not None and history["loss"][-1] > LIMITS.risen_loss * guess.loss > 0


def _rises(history: History) -> bool:
    losses = history["loss"]
    return losses[-1] > LIMITS.risen_loss * min(losses) and losses[-1] > losses[0] > 0


def _began_fast(history: History) -> bool:
    """Whether steps of the first epoch were longer than is usual, for any layer."""
    ratios = history.recorded.get("update_ratio", {}).values()
    return max((float(numbers[0]) for numbers in ratios), default=0.0) > LIMITS.fast_update


def _too_slow(at_start: Patient, steps: int, most: float) -> list[Verdict]:
    """Find a rate with which a new network hardly moves; trials tell it, as before training.

    They are made once, after the first epoch that is not of a schedule's warm-up.
    """
    if is_warming_up(at_start.trainer.task.optimizer, steps):
        return []
    is_short = most <= LIMITS.slow_descent
    return at_start.once(TOO_LOW, lambda: list(falls_too_slowly(at_start)) if is_short else [])
